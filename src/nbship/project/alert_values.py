"""Values of `alerts` that could never apply, or that would leave a secret in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import SettingsError
from ..text import did_you_mean, listed
from .settings import AlertsSection

__all__ = ["SECTIONS", "check_alerts"]

# The sections of a report that have findings.
SECTIONS = (
    "data",
    "drift",
    "given",
    "unseen",
    "prediction_drift",
    "performance",
    "labels",
    "slices",
    "discovered",
    "segments",
    "feedback",
    "history",
    "volume",
    "service",
)
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_HOST = re.compile(r"[\w.:-]+")
_URL = re.compile(r"https?://[^\s?#]+")


def check_alerts(alerts: AlertsSection) -> None:
    """Raise SettingsError for settings of alerts that could never apply.

    >>> check_alerts(AlertsSection(sinks={"team": "TEAM_URL"}, escalate_hours=4, escalate_to=["team"]))
    >>> check_alerts(AlertsSection(escalate_to=["team"]))
    Traceback (most recent call last):
    ...
    nbship.errors.SettingsError: 'alerts.escalate_to' has 'team', which is not in 'alerts.sinks'. Add it there.
    """
    for name, variable in alerts.sinks.items():
        if not _VARIABLE.fullmatch(variable):
            # The value may be the URL itself, which is a secret.
            raise SettingsError(
                f"'alerts.sinks.{name}' is not the name of an environment variable. Put the URL into a variable, and write its name here, such as ALERTS_URL."
            )
    for number, rule in enumerate(alerts.rules):
        for section in rule.sections:
            if section not in SECTIONS:
                hint = did_you_mean(section, SECTIONS, otherwise=f"Known sections: {listed(SECTIONS)}.")
                raise SettingsError(
                    f"'alerts.rules[{number}].sections' has '{section}', which is not a section of a report. {hint}"
                )
        _require_sinks(f"alerts.rules[{number}].sinks", rule.sinks, alerts)
    _require_sinks("alerts.escalate_to", alerts.escalate_to, alerts)
    if alerts.escalate_to and not alerts.escalate_hours:
        raise SettingsError(
            "'alerts.escalate_to' applies only with 'alerts.escalate_hours'. Set it, or remove 'alerts.escalate_to'."
        )
    for host in alerts.allow_private:
        if not _HOST.fullmatch(host):
            raise SettingsError(
                f"'alerts.allow_private' has '{host}', which is not a host. Write a name or an address such as 'mail.corp.example', without scheme and port."
            )
    if alerts.reports_url and not _URL.fullmatch(alerts.reports_url):
        raise SettingsError(
            f"'alerts.reports_url' is '{alerts.reports_url}', which is not the address of a page. Write an address such as 'https://reports.example/monitoring'."
        )


def _require_sinks(key: str, names: Iterable[str], alerts: AlertsSection) -> None:
    for name in names:
        if name not in alerts.sinks:
            hint = did_you_mean(name, alerts.sinks, otherwise="Add it there.")
            raise SettingsError(f"'{key}' has '{name}', which is not in 'alerts.sinks'. {hint}")
