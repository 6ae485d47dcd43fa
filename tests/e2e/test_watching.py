"""Half a year, week by week, as `make demo-watch` shows it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from flights.sinks import mail_server, webhook
from flights.watch_demo import FAULTS, copy_project, watch

CHANGES = yaml.safe_load((Path(__file__).parents[1] / "flights/real_changes.yaml").read_text(encoding="utf-8"))
NAMES = {date(2013, 8, 12): "'temperature': broken data, stuck", date(2013, 9, 23): "copies", date(2013, 11, 4): "'tailnum': broken data, missing"}  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_planted_faults_reach_the_mail_server_and_the_webhook(reference: Path, tmp_path: Path) -> None:
    copy_project(reference, tmp_path)
    with mail_server() as (mail, mails), webhook() as (hook, hooks):
        lines = list(watch(tmp_path, environ={"DEMO_MAIL": mail, "DEMO_HOOK": hook}))
    assert len(lines) == 26
    assert NAMES.keys() == FAULTS.keys()
    for first, name in NAMES.items():
        for messages in (mails, hooks):
            (found,) = [message for message in messages if re.search(rf"ALERT #\d+ .*{name}", message)]
            assert f"Window {first} to " in found
    folder = tmp_path / ".nbship/state/monitoring"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("/report.html") == 26
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/report.json")]
    found = [
        (report["window"], reason["subject"], reason["verdict"])
        for report in reports
        if date.fromisoformat(report["window"]["from"]) not in FAULTS
        for reason in report["reasons"]
        if reason["verdict"] in ("warning", "alert")
    ]
    hung = next(report for report in reports if report["window"]["from"] == "2013-08-12")
    assert re.search(r"\w+, \w+, \w+ and 4 more: the values are stuck", hung["headline"])
    unlisted = [(window, subject) for window, subject, _ in found if not any(subject in one["fields"] and one["from"] < window["to"] and window["from"] < one["to"] for one in CHANGES)]  # fmt: skip
    assert unlisted == []
    assert len({window["from"] for window, _, verdict in found if verdict == "alert"}) <= 3
    assert sum(report["verdict"] in ("ok", "notice") for report in reports) >= 6
