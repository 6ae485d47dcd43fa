"""What Prometheus and Grafana get: gauges of the newest report, alerting rules, a dashboard; by Prometheus' own tool."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from alert_sinks import project_folder, write_window
from click.testing import CliRunner

from nbship import project as projects
from nbship.alerting import read_gauges, write_gauges
from nbship.cli import nbship

REPORT = json.loads((Path(__file__).parents[1] / "monitoring/report_format_1.json").read_bytes())
PAGE = Path(__file__).parents[2] / "docs/how-to/operations.md"


def _export(*arguments: str) -> str:
    found = CliRunner().invoke(nbship, ["monitor", "export", *arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


def _promtool(*arguments: str, folder: Path | None = None, given: str | None = None) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder, input=given, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def gauges(tmp_path: Path) -> str:
    """The gauges of a real report, in a project with a state folder."""
    project_folder(tmp_path, "{}", name="shops")
    write_window(tmp_path, "2024-05-01", "2024-06-01", {"x": "ok", "gone": "alert"})
    write_window(tmp_path, "2024-07-01", "2024-08-01", sections=REPORT)
    write_window(tmp_path, "2024-05-15", "2024-08-01", {"gone": "alert"})
    write_window(tmp_path, "2024-08-01", "2024-09-01", {"gone": "alert"}).write_text("{")
    write_gauges(projects.load(tmp_path))
    return read_gauges(tmp_path / ".nbship/state").decode()


def test_gauges_are_those_of_the_newest_report(gauges: str, tmp_path: Path) -> None:
    _promtool("check", "metrics", given=gauges)
    values = dict(re.findall(r"^(nbship\S+) (\S+)$", gauges, re.MULTILINE))
    expected = {
        'drift{field="x",model="shops"}': REPORT["drift"][0]["psi"],
        'findings{model="shops",section="drift",severity="alert"}': 1,
        'findings{model="shops",section="drift",severity="warning"}': 0,
        'findings{model="shops",section="performance",severity="alert"}': 0,
        'labelled_ratio{model="shops"}': 1,
        'missing_ratio{field="x",model="shops"}': 0,
        'prediction_drift{model="shops"}': REPORT["prediction_drift"]["psi"],
        'quality{measure="auc",model="shops"}': REPORT["performance"]["measures"]["auc"],
        'rows{model="shops"}': REPORT["volume"]["rows"],
        'unjudged{model="shops",section="service"}': 1,
        # Midnight in Zurich, the zone of the report.
        'window_end_timestamp_seconds{model="shops"}': 1722463200,
    }
    assert {name: float(values[f"nbship_monitoring_{name}"]) for name in expected} == pytest.approx(expected)
    assert "gone" not in gauges
    succeeded = float(values['nbship_monitoring_last_success_timestamp_seconds{model="shops"}'])
    mark = tmp_path / ".nbship/state/monitoring/last_success"
    assert succeeded == pytest.approx(mark.stat().st_mtime)


def test_a_success_without_a_new_report_counts(gauges: str, tmp_path: Path) -> None:
    mark = tmp_path / ".nbship/state/monitoring/last_success"
    os.utime(mark, (1, 1))
    write_gauges(projects.load(tmp_path))
    assert mark.stat().st_mtime > 1_000_000
    assert "last_success_timestamp_seconds" in gauges


def test_the_dashboard_can_be_drawn(tmp_path: Path) -> None:
    dashboard = json.loads(_export("grafana"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels)
    assert all(place["x"] + place["w"] <= 24 for place in (panel["gridPos"] for panel in panels))
    # As recording rules, the queries are read by Prometheus' own parser, with Grafana's variables filled in.
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    filled = [query.replace("$__rate_interval", "5m").replace("$model", ".*") for query in queries]
    assert "$" not in "".join(filled)
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(filled)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    _promtool("check", "rules", "rules.yml", folder=tmp_path)


GROWING, MODEL = "0+60x100", 'model="shop"'
DAYS = "0x50"  # a value of zero for 50 days
# Of each rule, series that fire it, as one sample a minute, or of the second group a day.
MINUTES_FIRING = {
    "NbshipGone": {'up{job="nbship"}': "0x100"},
    "NbshipNothingLogged": {'nbship_requests_total{route="predict",status="503"}': GROWING},
    "NbshipOverloaded": {'nbship_requests_total{route="infer",status="429"}': GROWING},
    "NbshipFailing": {'nbship_requests_total{route="predict",status="500"}': GROWING},
    "NbshipUnauthorized": {'nbship_requests_total{route="predict",status="401"}': GROWING},
    "NbshipSlow": {f'nbship_request_seconds_bucket{{route="predict",le="{most}"}}': values for most, values in (("2.5", "0+6x100"), ("+Inf", GROWING))},
    "NbshipTwoVersions": {f'nbship_model_info{{{MODEL},version="{version}"}}': "1x100" for version in "ab"},
    "NbshipMonitoringAlert": {f'nbship_monitoring_findings{{{MODEL},section="drift",severity="alert"}}': "2x100"},
    "NbshipMonitoringWarning": {f'nbship_monitoring_findings{{{MODEL},section="drift",severity="warning"}}': "1x100"},
}  # fmt: skip
DAYS_FIRING = {
    "NbshipMonitoringStale": {f"nbship_monitoring_last_success_timestamp_seconds{{{MODEL}}}": DAYS},
    "NbshipPerformanceUnknown": {f'nbship_monitoring_unjudged{{{MODEL},section="performance"}}': "1x50"},
}
QUIET = {
    'up{job="nbship"}': "1x100",
    'nbship_requests_total{route="predict",status="200"}': GROWING,
    'nbship_requests_total{route="ready",status="503"}': GROWING,
    f'nbship_model_info{{{MODEL},version="a"}}': "1x100",
    'nbship_request_seconds_bucket{route="predict",le="0.01"}': GROWING,
    'nbship_request_seconds_bucket{route="predict",le="+Inf"}': GROWING,
    f'nbship_monitoring_findings{{{MODEL},section="drift",severity="alert"}}': "0x100",
    f'nbship_monitoring_findings{{{MODEL},section="drift",severity="notice"}}': "5x100",
    f'nbship_monitoring_unjudged{{{MODEL},section="performance"}}': "0x100",
    f"nbship_monitoring_last_success_timestamp_seconds{{{MODEL}}}": "0+86400x100",
}


def test_rules_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    text = _export("prometheus")
    (tmp_path / "rules.yml").write_text(text)
    _promtool("check", "rules", "rules.yml", folder=tmp_path)
    names = [rule["alert"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert set(names) == MINUTES_FIRING.keys() | DAYS_FIRING.keys()

    def case(series: dict[str, str], fired: str, *, days: bool) -> dict[str, Any]:
        # Only whether it fires: without `exp_alerts`, promtool compares the count of a query.
        expected = [{"labels": f'{{alertname="{fired}"}}', "value": 1}] if fired else []
        query = 'count by (alertname) (count by (alertname) (ALERTS{alertstate="firing"}))'
        return {
            "interval": "1d" if days else "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": query, "eval_time": "40d" if days else "90m", "exp_samples": expected}],
        }

    for days, firing in ((False, MINUTES_FIRING), (True, DAYS_FIRING)):
        cases = [case(series, name, days=days) for name, series in firing.items()] + [case(QUIET, "", days=days)]
        test = {"rule_files": ["rules.yml"], "evaluation_interval": "1d" if days else "1m", "tests": cases}
        (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
        _promtool("test", "rules", "test.yml", folder=tmp_path)


def test_the_rules_are_those_of_the_operations_page() -> None:
    rules = {
        rule["expr"]
        for group in yaml.safe_load(_export("prometheus", "--slow", "0.5"))["groups"]
        for rule in group["rules"]
    }
    queries = re.findall(r"^\| [a-z][^|]*? \| `(.*?nbship_.*?)`", PAGE.read_text(), re.MULTILINE)
    assert len(queries) >= 6
    assert {query if "histogram" not in query else f"{query} > 0.5" for query in queries} <= rules
