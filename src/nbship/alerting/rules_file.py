"""Alerting rules for Prometheus: on the service, and on the newest monitoring report."""

from __future__ import annotations

import io
from typing import Any

__all__ = ["prometheus_rules"]

# Name, query, time for which it must hold, severity, summary. `<slow>` and `<stale_days>` are parameters.
_SERVICE = (
    ("NbshipGone", 'up{job="nbship"} == 0', "1m", "critical", "A service does not respond"),
    ("NbshipNothingLogged", 'sum(rate(nbship_requests_total{status="503",route!~".*ready|ping|health"}[5m])) > 0', "0m", "critical",
     "Requests are rejected with 503: no prediction is logged"),
    ("NbshipOverloaded", 'sum(rate(nbship_requests_total{status="429"}[5m])) > 0', "5m", "warning", "Requests are rejected with 429: overload"),
    ("NbshipFailing", 'sum(rate(nbship_requests_total{status="500"}[5m])) > 0', "0m", "critical", "Requests fail with 500: a fault of nbship or the model"),
    ("NbshipUnauthorized", 'sum(rate(nbship_requests_total{status="401"}[5m])) > 0', "5m", "warning", "Callers have no valid key"),
    ("NbshipSlow", 'histogram_quantile(0.99, sum by (le) (rate(nbship_request_seconds_bucket{route="predict"}[5m]))) > <slow>', "5m", "warning",
     "The slowest 1 % of predictions take more than <slow> s"),
    ("NbshipTwoVersions", "count(count by (version) (nbship_model_info == 1)) > 1", "15m", "warning",
     "Two versions are served at once: an upgrade is not finished"),
)  # fmt: skip
_MODEL, _SECTION = "{{ $labels.model }}", "{{ $labels.section }}"
_MONITORING = (
    ("NbshipMonitoringStale", "time() - nbship_monitoring_last_success_timestamp_seconds > <stale_days> * 86400", "0m", "critical",
     f"Monitoring of the model {_MODEL} has not succeeded for <stale_days> days"),
    ("NbshipMonitoringAlert", 'nbship_monitoring_findings{severity="alert"} > 0', "0m", "critical",
     f"Monitoring of the model {_MODEL} has alerts: {_SECTION}"),
    ("NbshipMonitoringWarning", 'nbship_monitoring_findings{severity="warning"} > 0', "0m", "warning",
     f"Monitoring of the model {_MODEL} has warnings: {_SECTION}"),
    ("NbshipPerformanceUnknown", 'nbship_monitoring_unjudged{section="performance"} > 0', "30d", "warning",
     f"The performance of the model {_MODEL} has not been judged for 30 days: too few labels"),
)  # fmt: skip


def prometheus_rules(*, slow: float = 1.0, stale_days: float = 8.0) -> str:
    """Return a file of alerting rules, as `promtool check rules` accepts it.

    Parameters
    ----------
    slow
        Seconds that 99 % of the predictions may take.
    stale_days
        Days after which monitoring must have succeeded again.

    Examples
    --------
    >>> prometheus_rules(stale_days=2).splitlines()[2:4]
    ['  rules:', '  - alert: NbshipGone']
    """
    from ruamel.yaml import YAML

    groups = {"nbship service": _SERVICE, "nbship monitoring": _MONITORING}
    rules = {
        name: [_rule(*words, slow=slow, stale_days=stale_days) for words in group] for name, group in groups.items()
    }
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 4096
    text = io.StringIO()
    yaml.dump({"groups": [{"name": name, "rules": group} for name, group in rules.items()]}, text)
    return text.getvalue()


def _rule(name: str, query: str, duration: str, severity: str, summary: str, **parameters: float) -> dict[str, Any]:
    for key, value in parameters.items():
        query, summary = (words.replace(f"<{key}>", f"{value:g}") for words in (query, summary))
    return {
        "alert": name,
        "expr": query,
        "for": duration,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }
