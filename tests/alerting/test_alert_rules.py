"""Which findings are alerts, and their words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nbship.alerting.findings import FINDINGS, Finding, find, length_of
from nbship.alerting.rules import Window, active_findings
from nbship.monitoring import verdict
from nbship.project import AlertRule

CANARY = "ann@example.com"


def _windows(*verdicts: str) -> list[Window]:
    """Windows in which the input 'size' has these verdicts; `?` is a window without enough data."""
    return [
        Window(
            f"2024-{month:02}-01",
            f"2024-{month + 1:02}-01",
            {} if word == "ok" else {("drift", "size"): Finding(None if word == "?" else word, word)},
        )
        for month, word in enumerate(verdicts, 1)
    ]


@pytest.mark.parametrize(
    ("verdicts", "rule", "active"),
    [
        (["alert"], AlertRule(), True),
        (["warning"], AlertRule(), False),
        (["warning"], AlertRule(severity="warning"), True),
        (["notice"], AlertRule(severity="warning"), False),
        (["alert", "ok"], AlertRule(), False),
        (["alert"], AlertRule(windows=2), False),
        (["alert", "alert"], AlertRule(windows=2), True),
        (["alert", "ok", "alert"], AlertRule(windows=2), False),
        (["alert", "warning"], AlertRule(windows=2), False),
        (["warning", "alert"], AlertRule(windows=2, severity="warning"), True),
        (["alert", "?", "alert"], AlertRule(windows=2), True),
        (["alert", "?"], AlertRule(), True),
        (["?", "?"], AlertRule(), False),
        (["ok", "?"], AlertRule(), False),
        (["alert"], AlertRule(sections=["slices"]), False),
        (["alert"], AlertRule(fields=["weight", "size"]), True),
        (["alert"], AlertRule(models=["other"]), False),
    ],
)
def test_a_rule_asks_for_findings_in_windows_in_a_row(verdicts: list[str], rule: AlertRule, active: bool) -> None:
    found = active_findings(_windows(*verdicts), [rule], model="shop", sinks=["team"])
    assert bool(found) == active


def test_the_first_rule_without_hours_decides_when_a_sink_is_notified() -> None:
    rules = [AlertRule(hours=5, sinks=["team", "pager"]), AlertRule(windows=2, sinks=["team"])]
    (found,) = active_findings(_windows("alert", "alert"), rules, model="shop", sinks=["team", "pager"]).values()
    assert found.sinks == {"team": 0.0, "pager": 5.0}
    assert (found.since, found.window) == ("2024-01-01_2024-02-01", "2024-02-01_2024-03-01")


def test_a_section_that_could_not_be_judged_keeps_its_alerts() -> None:
    unjudged = find({"performance": {"verdict": "insufficient", "checks": []}})
    before = find({"performance": {"verdict": "alert", "checks": [{"check": "auc", "verdict": "alert"}]}})
    windows = [Window("2024-01-01", "2024-02-01", before), Window("2024-02-01", "2024-03-01", unjudged)]
    assert list(active_findings(windows, [], model="shop", sinks=[])) == [("performance", "auc")]


def test_the_severities_are_those_of_reports() -> None:
    assert {"ok", "insufficient", *FINDINGS} >= set(verdict._ORDER)


def test_a_report_of_nbship_has_findings() -> None:
    report = json.loads((Path(__file__).parents[1] / "monitoring/report_format_1.json").read_bytes())
    assert find(report)["drift", "x"] == Finding("alert", "Input 'x': distribution")


def test_the_words_of_a_finding_hold_no_value_of_a_row() -> None:
    record = {"verdict": "alert", "reason": f"New categories: {CANARY}."}
    found = find(
        {
            "drift": [
                {**record, "field": "customer", "new_categories": {CANARY: 3}, "kind": f"broken {CANARY}",
                 "checks": [{"check": "new categories", **record}, {"check": f"new {CANARY}", **record}]},
            ],
            "slices": [{**record, "slice": "customer", "value": CANARY}, {"verdict": "ok", "slice": "customer", "value": "b"}],
            "volume": {**record, "missing_days": [CANARY]},
            "service": {**record, "requests": 50, "share_errors": 0.02},
            "performance": {**record, "checks": [{"check": "auc", "value": 0.6, "reference": 0.7, **record}]},
            "prediction_drift": {**record, "field": "probability", "checks": []},
            "freshness": {**record},
            "data": [
                {**record, "check": "copies", "subject": "rows", "kind": "broken data"}, {"check": "row count", "subject": "rows", "verdict": "ok"},
                {**record, "check": "relation", "subject": "dew <= temp", "kind": "broken data"},
            ],
            "given": [{**record, "field": "temp", "given": "hour", "checks": [{"check": "distribution", **record}]}] * 2,
            "unseen": {**record, "verdict": "notice", "kind": "not seen in training", "fields": [{"field": "temp"}]},
        }
    )  # fmt: skip
    words = {key: finding.words for key, finding in found.items()}
    assert words == {
        ("drift", "customer"): "Input 'customer': new categories",
        ("slices", "customer"): "Slices by 'customer': 1 value with a finding",
        ("volume", ""): "Volume: 1 day without predictions",
        ("service", ""): "Service: 2.0% of the requests failed",
        ("performance", "auc"): "Performance: auc 0.6, compared with 0.7",
        ("prediction_drift", "probability"): "Predictions: a finding",
        ("freshness", ""): "Freshness: a finding",
        ("data", "rows"): "Data 'rows': broken data, copies",
        ("data", "dew <= temp"): "Data 'dew <= temp': broken data, relation",
        ("given", "temp"): "Input 'temp' beside other fields: distribution",
        ("unseen", ""): "Values that training never saw: not seen in training",
    }


@pytest.mark.parametrize(("last", "words"), [("2024-01-02", "day"), ("2024-01-08", "week"), ("2024-02-01", "month"), ("2024-01-15", "14 days")])  # fmt: skip
def test_windows_are_followed_by_their_length(last: str, words: str) -> None:
    assert length_of("2024-01-01", last) == words
