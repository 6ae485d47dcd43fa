"""Every kind of source of new data: the same rows give the same window, whole or not at all."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from source_kinds import COLUMNS, KINDS, ZONE, make_orders, open_kind, write_project

from nbship import project
from nbship.data.sources import DataWindow, declared_source, parse_days
from nbship.data.windows import read_source
from nbship.errors import EmptyDataError, SourceError, WindowError
from nbship.operations import fetch, new_data

WEEK = parse_days("2026-06-08", "2026-06-15", zone=ZoneInfo(ZONE))
ORDERS = make_orders()
BAD = 3


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_USER", "postgres")
    monkeypatch.setenv("SHOP_TOKEN", "a@b/c")


@pytest.fixture(scope="module")
def expected() -> list[dict[str, Any]]:
    """The orders of the week, by the clock of New York."""
    days = [order for order in ORDERS if 8 <= order["placed"].astimezone(ZoneInfo(ZONE)).day < 15]
    assert len(days) == 7 * 24
    return days


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def _one_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process, which is quicker; of three kinds in one of their own, as commands do."""
    kind = request.node.callspec.params.get("kind", "") if hasattr(request.node, "callspec") else ""
    if kind not in ("csv", "postgres", "http"):
        monkeypatch.setattr(new_data, "read_in_process", read_source)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of the week, read from files of CSV in the order of time."""
    root = tmp_path_factory.mktemp("csv")
    with open_kind("csv", root, ORDERS) as settings:
        return read(write_project(root, settings)).read_bytes()


def read(root: Path, window: DataWindow = WEEK) -> Path:
    """Read a window in this process; return its file."""
    (root / "read").mkdir(exist_ok=True)
    read_source(declared_source(project.load(root), "orders"), window, root / "read")
    return root / "read" / "window.parquet"


def test_every_kind_gives_the_same_bytes(
    kind: str, tmp_path: Path, expected: list[dict[str, Any]], content: bytes
) -> None:
    shuffled = list(ORDERS)
    random.Random(7).shuffle(shuffled)
    # A row that is bad, one that is there twice, and a bad one of another week.
    bad = [{**expected[0], "id": 9_000, "price": -1.0}, expected[5], {**ORDERS[0], "id": 9_001, "price": -1.0}]
    with open_kind(kind, tmp_path / "shop", [*shuffled, *bad]) as settings:
        root = write_project(tmp_path / "shop", {**settings, "max_bad_share": 0.02})
        found = fetch(project.load(root), "orders", WEEK)
    assert found.path is not None
    assert (found.state, found.rows, found.quarantined) == ("new", len(expected), 2)
    rows = pq.read_table(found.path).to_pylist()
    assert [{**row, "placed": row["placed"].astimezone(UTC)} for row in rows] == expected
    assert found.path.read_bytes() == content
    assert found.quarantine is not None
    reasons = pq.read_table(found.quarantine)["reasons"].to_pylist()
    assert sorted(reasons) == ["is the only row with its id", "price is at least 0"]


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "http"])
def test_a_missing_column_is_named(kind: str, tmp_path: Path) -> None:
    with open_kind(kind, tmp_path, ORDERS[:48]) as settings:
        root = write_project(tmp_path, {**settings, "columns": {**COLUMNS, "prices": "number"}})
        with pytest.raises((WindowError, SourceError), match=r"^The source 'orders' .*prices.*\.columns'\.$") as caught:
            read(root)
    assert "postgres@" not in str(caught.value)


@pytest.mark.parametrize("kind", ["postgres", "http"])
def test_an_empty_window_changes_nothing(kind: str, tmp_path: Path) -> None:
    empty = parse_days("2026-05-01", "2026-05-02", zone=ZoneInfo(ZONE))
    with open_kind(kind, tmp_path, ORDERS[:48]) as settings:
        root = write_project(tmp_path, settings)
        with pytest.raises(EmptyDataError, match=r"The source 'orders' is empty: it has no rows from 2026-05-01 to"):
            fetch(project.load(root), "orders", empty)
    assert not (root / "windows").exists()


@pytest.mark.parametrize("kind", ["postgres", "sqlite", "duckdb"])
def test_a_query_gets_the_days_of_the_window(kind: str, tmp_path: Path, expected: list[dict[str, Any]]) -> None:
    query = "SELECT *, ':x' AS more FROM orders WHERE placed >= $from AND placed < $to AND city <> 'a:b%'"
    with open_kind(kind, tmp_path, ORDERS) as settings:
        settings.pop("table", None)
        window = read(write_project(tmp_path, {**settings, "query": query}))
    found = pq.read_table(window)["id"].to_pylist()
    assert found == [order["id"] for order in expected if order["city"] is not None]


def test_dvc_tracks_a_window(tmp_path: Path) -> None:
    from commands import run

    with open_kind("csv", tmp_path, ORDERS) as settings:
        root = write_project(tmp_path, settings)
        first = fetch(project.load(root), "orders", WEEK)
    done = run("dvc", "status", "--json", cwd=root)
    assert done.stdout.strip() == "{}", done.stdout + done.stderr
    run("dvc", "remote", "add", "--default", "store", str(tmp_path / "remote"), cwd=root, check=True)
    run("dvc", "push", cwd=root, check=True)
    assert first.path is not None
    content = first.path.read_bytes()
    first.path.unlink()
    for path in (root / ".dvc/cache").rglob("*"):
        if path.is_file():
            path.unlink()
    run("dvc", "pull", cwd=root, check=True)
    assert first.path.read_bytes() == content


def test_the_window_that_comes_next_is_the_default(tmp_path: Path) -> None:
    with open_kind("csv", tmp_path, ORDERS) as settings:
        root = write_project(tmp_path, {**settings, "window": "week"})
        shop, now = project.load(root), datetime(2026, 6, 10, tzinfo=UTC)
        assert str(fetch(shop, "orders", now=now).window) == "2026-06-01 to 2026-06-08"
        assert fetch(shop, "orders", now=now).state == "waiting"
        later = datetime(2026, 6, 20, tzinfo=UTC)
        assert str(fetch(shop, "orders", now=later).window) == "2026-06-08 to 2026-06-15"
        assert fetch(shop, "orders", WEEK).state == "held"
        assert fetch(shop, "orders", WEEK, again=True).state == "unchanged"
        path = shop.root / "windows/orders/2026-06-08_2026-06-15.parquet"
        content = path.read_bytes()
        for damage in (path.unlink, lambda: path.write_bytes(b"")):  # by hand, or by a fetch that was killed
            damage()
            assert fetch(shop, "orders", WEEK).state == "held"
            assert path.read_bytes() == content
        with pytest.raises(WindowError, match=r"overlaps the window 2026-06-01 to 2026-06-08, which is held"):
            fetch(shop, "orders", parse_days("2026-06-02", "2026-06-03", zone=ZoneInfo(ZONE)))
