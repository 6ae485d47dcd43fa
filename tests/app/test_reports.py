from __future__ import annotations

import json
from pathlib import Path

from nbship.app.reports import newest_reports

REPORT = Path(__file__).parents[1] / "monitoring" / "report_format_1.json"


def test_the_newest_readable_reports_are_shown(tmp_path: Path) -> None:
    content = json.loads(REPORT.read_text())
    for first, last in (("2024-05-01", "2024-06-01"), ("2024-06-01", "2024-07-01"), ("2024-07-01", "2024-08-01")):
        folder = tmp_path / f"{first}_{last}"
        folder.mkdir()
        window = {**content["window"], "from": first, "to": last}
        (folder / "report.json").write_text(json.dumps({**content, "window": window}))
    for name in ("report", "monitor_data", "own_page"):
        (tmp_path / "2024-07-01_2024-08-01" / f"{name}.html").write_text("<html>")
    (tmp_path / "2024-06-01_2024-07-01" / "report.html").write_text("<html>")
    for name, text in (
        ("2024-08-01_2024-09-01", "{"),
        ("2024-09-01_2024-10-01", '{"format": 1}'),
        (".2024-10-01_2024-11-01.tmp", REPORT.read_text()),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(text)
    newest, older = newest_reports(tmp_path, count=2)
    assert (newest.window, older.window) == ("2024-07-01 to 2024-08-01", "2024-06-01 to 2024-07-01")
    assert {name: page.name for name, page in newest.pages.items()} == {
        "Data": "monitor_data.html",
        "Own page": "own_page.html",
    }
    assert older.pages == {"Report": tmp_path / "2024-06-01_2024-07-01" / "report.html"}
    assert (newest.verdict, newest.headline) == ("alert", content["headline"])
    assert newest.reasons == tuple(reason["reason"] for reason in content["reasons"])
    assert newest.numbers[0] == ("Predictions", f"{content['volume']['rows']:,}", "In this window")
