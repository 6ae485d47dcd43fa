"""The alerts of the operations page: Prometheus' own tool fires them when it should, on metrics that the service has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml
from alert_sinks import project_folder, write_window
from faults.rest_server import RECORD
from servers import serving

from nbship import project as projects
from nbship.alerting import grafana_dashboard, prometheus_rules, write_gauges

PAGE = Path(__file__).parents[2] / "docs/how-to/operations.md"
ALERTS = dict(re.findall(r"^\| ([a-z][^|]*?) \| `(.*?(?:nbship_|\bup ).*?)`", PAGE.read_text(), re.MULTILINE))
# Of each alert, the series that fire it: a counter that grows by one a second, or a constant.
GROWING, SLOW = "0+60x10", "nbship_request_seconds_bucket"
FIRING = {
    "no prediction is logged": {'nbship_requests_total{route="predict",status="503"}': GROWING},
    "overload": {'nbship_requests_total{route="infer",status="429"}': GROWING},
    "a fault of nbship or the model": {'nbship_requests_total{route="predict",status="500"}': GROWING},
    "callers without a valid key": {'nbship_requests_total{route="predict",status="401"}': GROWING},
    "slow": {f'{SLOW}{{route="predict",le="{most}"}}': values for most, values in (("1", "0+6x10"), ("+Inf", GROWING))},
    "the service is gone": {"up": "0x10"},
    "two versions at once": {f'nbship_model_info{{model="late",version="{version}"}}': "1x10" for version in "ab"},
}
QUIET = {
    'nbship_requests_total{route="predict",status="200"}': GROWING,
    'nbship_requests_total{route="ready",status="503"}': GROWING,
    'nbship_requests_total{route="model_ready",status="503"}': GROWING,
    'nbship_model_info{model="late",version="a"}': "1x10",
    'nbship_model_info{model="late",version="b"}': "0x10",
    f'{SLOW}{{route="predict",le="0.01"}}': GROWING,
    f'{SLOW}{{route="predict",le="+Inf"}}': GROWING,
    "up": "1x10",
}


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    assert ALERTS.keys() == FIRING.keys()
    rules = [{"alert": name, "expr": f"{query} > 0.5" if name == "slow" else query} for name, query in ALERTS.items()]
    cases = [_case(series, {name}) for name, series in FIRING.items()] + [_case(QUIET, set())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "nbship", "rules": rules}]}))
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": cases}))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _case(series: dict[str, str], fired: set[str]) -> dict[str, object]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": "9m", "alertname": name, "exp_alerts": [{}] if name in fired else []} for name in ALERTS
        ],
    }


def test_the_service_has_the_metrics_of_alerts_and_dashboard(small_package: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    project_folder(tmp_path / "project", "{}", name="shops")
    report = json.loads((PAGE.parents[2] / "tests/monitoring/report_format_1.json").read_bytes())
    write_window(tmp_path / "project", "2024-07-01", "2024-08-01", sections=report)
    project = projects.load(tmp_path / "project")
    with serving(small_package, tmp_path) as (url, _):
        assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200
        assert "nbship_monitoring" not in httpx.get(f"{url}/metrics").text
        write_gauges(project)
        shutil.copytree(project.state / "monitoring", tmp_path / "state/monitoring")
        text = httpx.get(f"{url}/metrics").text
    if shutil.which("promtool") is not None:
        subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True)
    names = set(re.findall(r"^(\w+)[{ ]", text, re.MULTILINE))
    exported = prometheus_rules() + grafana_dashboard()
    used = set(re.findall(r"nbship_\w+", " ".join([exported, *ALERTS.values()])))
    assert len(used) >= 16
    assert used <= names
