"""A Grafana dashboard for the service and the newest monitoring report, as JSON to import."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["grafana_dashboard"]

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS, _WIDTH, _HEIGHT = 2, 12, 8
_OF_MODEL = '{model=~"$model"}'
# Title, unit, and the queries with their legends.
_PANELS = (
    ("Requests a second, by status", "reqps", (("sum by (status) (rate(nbship_requests_total[$__rate_interval]))", "{{status}}"),)),
    ("Seconds of a prediction", "s", tuple(
        (f'histogram_quantile({share}, sum by (le) (rate(nbship_request_seconds_bucket{{route="predict"}}[$__rate_interval])))', f"{share:.0%}")
        for share in (0.5, 0.99)
    )),
    ("Requests in flight and queued", "short", (("sum(nbship_requests_in_flight)", "in flight"), ("sum(nbship_requests_queued)", "queued"))),
    ("Processor and memory", "short", (
        ("sum(rate(nbship_cpu_seconds_total[$__rate_interval]))", "cores"),
        ("sum(nbship_resident_memory_bytes) / 1e9", "GB"),
    )),
    ("Versions that are served", "short", (("count by (model, version) (nbship_model_info == 1)", "{{model}} {{version}}"),)),
    ("Days since monitoring succeeded", "d", ((f"(time() - nbship_monitoring_last_success_timestamp_seconds{_OF_MODEL}) / 86400", "{{model}}"),)),
    ("Findings", "short", ((f"sum by (model, section, severity) (nbship_monitoring_findings{_OF_MODEL}) > 0", "{{model}}: {{section}}, {{severity}}"),)),
    ("Not judged, for lack of data", "short", ((f"sum by (model, section) (nbship_monitoring_unjudged{_OF_MODEL}) > 0", "{{model}}: {{section}}"),)),
    ("Drift of the ten inputs that moved most", "short", ((f"topk(10, nbship_monitoring_drift{_OF_MODEL})", "{{model}}: {{field}}"),)),
    ("Drift of the predictions", "short", ((f"nbship_monitoring_prediction_drift{_OF_MODEL}", "{{model}}"),)),
    ("Missing values, the ten inputs with most", "percentunit", ((f"topk(10, nbship_monitoring_missing_ratio{_OF_MODEL})", "{{model}}: {{field}}"),)),
    ("Quality on labelled rows", "short", (('nbship_monitoring_quality{model=~"$model",measure=~"auc|brier|calibration_error|mae|rmse"}', "{{model}}: {{measure}}"),)),
    ("Rows with a label", "percentunit", ((f"nbship_monitoring_labelled_ratio{_OF_MODEL}", "{{model}}"),)),
    ("Predictions in the window", "short", ((f"nbship_monitoring_rows{_OF_MODEL}", "{{model}}"),)),
)  # fmt: skip


def grafana_dashboard() -> str:
    """Return the dashboard, as JSON for Grafana's import; it asks for the Prometheus data source.

    >>> json.loads(grafana_dashboard())["title"]
    'nbship'
    """
    dashboard = {
        "uid": "nbship",
        "title": "nbship",
        "tags": ["nbship"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "templating": {"list": [_source_variable(), _model_variable()]},
        "panels": [_panel(number, *words) for number, words in enumerate(_PANELS)],
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _panel(number: int, title: str, unit: str, queries: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(queries)
        ],
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _model_variable() -> dict[str, Any]:
    query = "label_values(nbship_monitoring_rows, model)"
    return {
        "name": "model", "label": "Model", "type": "query", "datasource": _SOURCE, "query": query, "definition": query,
        "includeAll": True, "multi": True, "refresh": 2,
        "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip
