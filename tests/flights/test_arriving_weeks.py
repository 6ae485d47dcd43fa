"""The sources of the reference project on real flights: every week is accepted, and what is planted is found and named."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flights.install_data import ROOT
from nbship import project
from nbship.data.sources import DataWindow, DeclaredSource, declared_source
from nbship.data.windows import Earlier, Facts, check_window, read_source
from nbship.errors import DataError, EmptyDataError

FIRST = date(2013, 7, 1)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The header and the flights of July, as in data/flights.csv."""
    header, *rows = (ROOT / "data/flights.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    return [header, *(row for row in rows if "2013-06-30" < row.rstrip().rpartition(",")[2] < "2013-08-02")]


def flights(folder: Path) -> DeclaredSource:
    return replace(declared_source(project.load(ROOT), "flights"), root=folder)


def accept(source: DeclaredSource, first: date, folder: Path, earlier: Sequence[Earlier]) -> Facts:
    window = DataWindow(first, first + WEEK, source.zone)
    folder.mkdir()
    facts = read_source(source, window, folder)
    check_window(source, window, facts, earlier)
    return facts


@pytest.fixture(scope="module")
def earlier(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[Earlier]:
    """The first three weeks of July, which are accepted."""
    root = tmp_path_factory.mktemp("july")
    write(root, lines)
    source, found = flights(root), list[Earlier]()
    for number in range(3):
        first = FIRST + number * WEEK
        facts = accept(source, first, root / str(number), found)
        assert facts.bad == facts.duplicates == 0
        found.append(Earlier(DataWindow(first, first + WEEK, source.zone), facts.rows))
    return found


def write(root: Path, lines: Sequence[str]) -> None:
    (root / "data").mkdir()
    (root / "data/flights.csv").write_text("".join(lines), encoding="utf-8")


def last_week(change: Callable[[list[str]], list[str]]) -> Callable[[list[str]], list[str]]:
    """Change the rows of the fourth week."""

    def changed(lines: list[str]) -> list[str]:
        of_week = [line for line in lines[1:] if "2013-07-22T04" <= line.rstrip().rpartition(",")[2] < "2013-07-29T04"]
        others = [
            line for line in lines[1:] if not "2013-07-22T04" <= line.rstrip().rpartition(",")[2] < "2013-07-29T04"
        ]
        return [lines[0], *others, *change(of_week)]

    return changed


def day_first(line: str) -> str:
    return re.sub(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):00:00Z$", r"\3/\2/\1 \4:00", line)


FAULTS: dict[str, tuple[Callable[[list[str]], list[str]], type[DataError], str]] = {
    "empty": (last_week(lambda rows: []), EmptyDataError, r"is empty: it has no rows from 2013-07-22 to 2013-07-29"),
    "late": (last_week(lambda rows: [row for row in rows if row.rstrip().rpartition(",")[2] < "2013-07-25"]), DataError, r"is late: its latest row .* 2013-07-24 19:00"),
    "two airports missing": (last_week(lambda rows: [row for row in rows if ",LGA," in row]), DataError, r"is incomplete: 2,057 rows .*, and 6,\d{3} are usual in 3 earlier windows"),
    "twice": (last_week(lambda rows: rows * 2), DataError, r"has duplicate rows: 6,740 of 13,480 have the carrier, flight, origin, time_hour of another row, first in line \d+"),
    "day first": (last_week(lambda rows: [day_first(row) + "\n" for row in map(str.rstrip, rows)]), DataError, r"has another format of dates: column 'time_hour' of line \d+ is not in ISO 8601 \(6,740 rows of 6,740\); '%d/%m/%Y %H:%M' reads all of them"),
    "an unknown airport": (last_week(lambda rows: [row.replace(",EWR,", ",HPN,") for row in rows]), DataError, r"'origin is a known category' fails in 2,\d{3} rows"),
    "another spelling of null": (last_week(lambda rows: [row.replace("NA", "?") for row in rows]), DataError, r"'dep_delay is a number' fails in \d+ rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(
    name: str, lines: list[str], earlier: list[Earlier], tmp_path: Path
) -> None:
    change, error, message = FAULTS[name]
    write(tmp_path, change(lines))
    with pytest.raises(error, match=rf"^The source 'flights' .*{message}"):
        accept(flights(tmp_path), FIRST + 3 * WEEK, tmp_path / "read", earlier)


@pytest.mark.long
@pytest.mark.parametrize("name", ["flights", "weather"])
def test_every_week_of_the_second_half_year_is_accepted(name: str, tmp_path: Path) -> None:
    source = declared_source(project.load(ROOT), name)
    found: list[Earlier] = []
    for number in range(26):
        first = FIRST + number * WEEK
        facts = accept(source, first, tmp_path / str(number), found)
        found.append(Earlier(DataWindow(first, first + WEEK, source.zone), facts.rows))
        assert facts.bad == 0
    columns = ["year", "month", "day"]
    days = pd.to_datetime(pd.read_csv(ROOT / "data" / f"{name}.csv", usecols=columns)[columns])
    arrived = (days >= pd.Timestamp(FIRST)) & (days < pd.Timestamp(FIRST + 26 * WEEK))
    assert sum(each.rows for each in found) == arrived.sum()
