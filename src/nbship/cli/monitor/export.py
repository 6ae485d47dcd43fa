"""`nbship monitor export`."""

from __future__ import annotations

import click

from ..groups import SuggestingGroup

__all__ = ["export"]


@click.group("export", cls=SuggestingGroup)
def export() -> None:
    """Print alerting rules for Prometheus, or a dashboard for Grafana.

    \b
    Example:
        nbship monitor export prometheus > nbship-rules.yml
    """


@export.command()
@click.option("--slow", type=click.FloatRange(min=0, max=10, min_open=True, max_open=True), default=1.0, show_default=True, metavar="SECONDS", help="Time that 99 % of the predictions may take.")  # fmt: skip
@click.option("--stale-days", type=click.FloatRange(min=0, min_open=True), default=8.0, show_default=True, metavar="DAYS", help="Days after which monitoring must have succeeded again.")  # fmt: skip
def prometheus(slow: float, stale_days: float) -> None:
    """Print alerting rules: on the service, and on the newest report.

    Their metrics are on the page /metrics of `nbship serve`, if it has the same state folder as
    `nbship monitor`, and in the file .nbship/state/monitoring/gauges.prom.

    \b
    Example:
        nbship monitor export prometheus > nbship-rules.yml
        promtool check rules nbship-rules.yml
    """
    from ...alerting import prometheus_rules

    click.echo(prometheus_rules(slow=slow, stale_days=stale_days), nl=False)


@export.command()
def grafana() -> None:
    """Print a dashboard, to import in Grafana.

    \b
    Example:
        nbship monitor export grafana > nbship-dashboard.json
    """
    from ...alerting import grafana_dashboard

    click.echo(grafana_dashboard(), nl=False)
