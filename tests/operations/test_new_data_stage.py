"""A new window makes the stages stale that read the folder of its source, for nbship and for DVC."""

from __future__ import annotations

import json
from pathlib import Path

from execution.two_stages import call, write_project
from source_kinds import COLUMNS, make_orders, write_csv

WEEKS = [("2026-06-01", "2026-06-08"), ("2026-06-08", "2026-06-15")]


def fetched(root: Path, days: tuple[str, str], *more: str) -> str:
    done = call(root, "nbship", "data", "fetch", "--from", days[0], "--to", days[1], *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_window_makes_a_stage_stale(tmp_path: Path) -> None:
    root = write_project(tmp_path / "shop")
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    write_csv(root / "incoming/orders.csv", make_orders())
    pipeline = (root / "pipeline.yaml").read_text()
    folder = "{numbers: data/numbers.json, orders: windows/orders}"
    (root / "pipeline.yaml").write_text(pipeline.replace("{numbers: data/numbers.json}", folder))
    source = {"url": "incoming/*.csv", "time": "placed", "columns": dict(COLUMNS), "window": "week"}
    (root / "nbship.yaml").write_text(
        json.dumps({"project": {"timezone": "America/New_York"}, "data": {"sources": {"orders": source}}})
    )
    assert fetched(root, WEEKS[0]) == "orders 2026-06-01 to 2026-06-08: 168 rows, 0 quarantined\n"
    assert call(root, "nbship", "run").returncode == 0
    assert "up to date" in call(root, "nbship", "status").stdout

    found = json.loads(fetched(root, WEEKS[1], "--json"))
    assert (found["state"], found["rows"], found["quarantined"]) == ("new", 168, 0)
    assert "load  would run: windows/orders changed" in call(root, "nbship", "status").stdout
    assert "windows/orders" in call(root, "dvc", "status").stdout
    assert call(root, "nbship", "run").returncode == 0
    status = json.loads(call(root, "dvc", "status", "--json").stdout)
    assert [name for name in status if name != "notebooks"] == []

    listed = call(root, "nbship", "data", "list").stdout.splitlines()
    assert listed[0] == "orders: incoming/*.csv · 2 windows"
    assert listed[2] == "  2026-06-08 to 2026-06-15 · 168 rows · 0 quarantined"
    (source_of,) = json.loads(call(root, "nbship", "data", "list", "--json").stdout)
    assert [each["state"] for each in source_of["windows"]] == ["held", "held"]
