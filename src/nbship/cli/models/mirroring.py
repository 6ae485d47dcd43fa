"""`nbship models mirror`."""

from __future__ import annotations

import click

from ..options import text
from .listing import fetch_option

__all__ = ["mirror"]


@click.command("mirror")
@click.argument("model", required=False, type=text)
@click.option("--to", "uri", metavar="URI", type=text, required=True, envvar="MLFLOW_TRACKING_URI", show_envvar=True, help="MLflow's tracking server or database.")  # fmt: skip
@fetch_option
def mirror(model: str | None, uri: str, fetch: bool) -> None:
    """Copy versions and aliases to a registry of MLflow.

    Copies what MLflow lacks, with the packages as artifacts: `mlflow.pyfunc.load_model("models:/late@production")` loads one.
    MLflow numbers versions itself; its tag `nbship.version` holds the version. Needs `pip install mlflow`.

    \b
    Example:
        nbship models mirror --to http://localhost:5000
    """
    from ...project import load
    from ...registry import mirror as mirror_history
    from ...registry import open_registry

    registry = open_registry(load(), refresh=fetch)
    histories = [registry.history(model)] if model else list(registry.histories.values())
    changes = 0
    for history in histories:
        for sentence in mirror_history(registry, history, uri):
            click.echo(sentence)
            changes += 1
    if not changes:
        click.echo("MLflow has all versions and aliases." if histories else "No version is registered.")
