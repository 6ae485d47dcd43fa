"""A source that is down, late, empty, incomplete, a duplicate or written in another way: a sentence of its own for each."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from source_kinds import COLUMNS, ZONE, make_orders, open_kind, write_csv, write_project

from nbship import project
from nbship.data.sources import declared_source, parse_days
from nbship.data.windows import Earlier, Facts, check_window, read_source
from nbship.errors import DataError, EmptyDataError, SettingsError, SourceDownError, SourceError, WindowError

WEEK = parse_days("2026-06-08", "2026-06-15", zone=ZoneInfo(ZONE))
ORDERS = make_orders()
OF_WEEK = [order for order in ORDERS if WEEK.start <= order["placed"] < WEEK.end]
FIRST_DAYS = make_orders(4, first="2026-06-08")
USUAL = [Earlier(parse_days(f"2026-05-{day:02}", f"2026-05-{day + 7:02}", zone=WEEK.zone), 168) for day in (4, 11, 18)]
Write = Callable[[Path], object]


def csv_of(orders: Sequence[Mapping[str, Any]], change: Callable[[str], str] = str, **options: Any) -> Write:
    def write(root: Path) -> None:
        path = root / "orders.csv"
        write_csv(path, orders, **options)
        if change is not str:
            path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    return write


def dated(format: str, orders: Sequence[Mapping[str, Any]] = OF_WEEK) -> Write:
    return csv_of([{**order, "placed": order["placed"].astimezone(WEEK.zone).strftime(format)} for order in orders])


def compressed(content: bytes) -> Write:
    return lambda root: (root / "orders.csv.gz").write_bytes(content)


def kind(name: str) -> Write:
    return lambda root: open_kind(name, root, OF_WEEK).__enter__()


HEADER = ",".join(COLUMNS) + "\n"
DMY = {"dates": {"placed": "%d/%m/%Y %H:%M"}}
MDY = {"dates": {"placed": "%m/%d/%Y %H:%M"}}
NOWHERE = {"url": "postgresql://ann:${SHOP_TOKEN}@127.0.0.1:1/shop", "table": "orders"}
# What happened to the source -> how it is written, settings, the error, and its sentence.
CASES: Mapping[str, tuple[Write, Mapping[str, Any], type[DataError], str]] = {
    "no file": (lambda root: None, {}, SourceDownError, r"is down: there is no file 'orders\.csv'\. Check what writes it"),
    "no files": (lambda root: None, {"url": "in/*.csv"}, SourceDownError, r"is down: no file matches 'in/\*\.csv'"),
    "connection refused": (lambda root: None, NOWHERE, SourceDownError, r"is down: 'postgresql://127\.0\.0\.1:1/shop': Connection refused\. Check that the database is running"),
    "no variable": (lambda root: None, {"url": "${NOT_SET_HERE}"}, SourceError, r"needs the environment variable 'NOT_SET_HERE', which is not set"),
    "no table": (kind("sqlite"), {"url": "sqlite:///orders.sqlite", "table": "order"}, SourceError, r"cannot be queried: no such table: order\. Correct '.*\.table'"),
    "no suffix": (lambda root: (root / "orders.xls").touch(), {"url": "orders.xls"}, SourceError, r"has no known suffix, and no format\. Declare it: `format: csv`"),
    "late": (csv_of(FIRST_DAYS), {}, WindowError, r"is late: its latest row of 2026-06-08 to 2026-06-15 is from 2026-06-11 23:00, 73 hours before the end, and 24 are allowed"),
    "empty": (csv_of(ORDERS[:24]), {}, EmptyDataError, r"is empty: it has no rows from 2026-06-08 to 2026-06-15\. 24 rows of other windows were found"),
    "no header": (csv_of([], lambda text: ""), {}, EmptyDataError, r"is empty: 'orders\.csv' has no header"),
    "half": (csv_of(OF_WEEK[1::2]), {"min_share": 0.6}, WindowError, r"is incomplete: 84 rows .*, and 168 are usual in 3 earlier windows .* fetch with --any-count, or lower 'data\.sources\.orders\.min_share'"),
    "few": (csv_of(OF_WEEK[-2:]), {"min_rows": 3}, WindowError, r"is too small: 2 rows .*min_rows' is 3"),
    "loaded twice": (csv_of([*OF_WEEK, *OF_WEEK]), {}, WindowError, r"has duplicate rows: 168 of 336 have the id of another row, first in line 170\. It was probably loaded twice"),
    "twice without a key": (csv_of([*OF_WEEK, *OF_WEEK]), {"key": []}, WindowError, r"has duplicate rows: 168 of 336 equal another row, first in line 170\. .* or declare a key"),
    "the same file twice": (lambda root: [csv_of(OF_WEEK)(root), (root / "orders copy.csv").write_bytes((root / "orders.csv").read_bytes())], {"url": "*.csv"}, WindowError, r"first in line 2 of 'orders\.csv'\. It was probably loaded twice"),
    "nearly twice the rows": (csv_of([*OF_WEEK, *({**order, "id": order["id"] + 9000} for order in OF_WEEK)]), {}, WindowError, r"has too many rows: 336 .*, and 168 are usual"),
    "cp1252": (csv_of(OF_WEEK, encoding="cp1250"), {}, WindowError, r"has another encoding: line 3 of 'orders\.csv' is not utf-8, as declared\. It looks like cp1252\. Correct 'data\.sources\.orders\.encoding'"),
    "cp1252 for latin-1": (csv_of([{**order, "city": "5 €"} for order in OF_WEEK], encoding="cp1252"), {"encoding": "latin-1"}, WindowError, r"line 2 of 'orders\.csv' is not latin-1, as declared\. It looks like cp1252"),
    "utf-8": (csv_of(OF_WEEK), {"encoding": "latin-1"}, WindowError, r"line 3 of 'orders\.csv' is not latin-1, as declared\. It looks like utf-8"),
    "utf-16": (csv_of(OF_WEEK, encoding="utf-16"), {}, WindowError, r"line 1 of 'orders\.csv' is not utf-8, as declared\. It looks like utf-16\."),
    "utf-16 without a mark": (csv_of(OF_WEEK, encoding="utf-16-le"), {}, WindowError, r"It looks like utf-16-le"),
    "utf-8 for utf-16": (csv_of(OF_WEEK), {"encoding": "utf-16"}, WindowError, r"is not utf-16, as declared\. It looks like utf-8"),
    "month first": (dated("%m/%d/%Y %H:%M"), DMY, WindowError, r"has another date order: column 'placed' of line 122 is not in the declared format '%d/%m/%Y %H:%M' \(48 rows of 48\); '%m/%d/%Y %H:%M' reads all of them"),
    "day first": (dated("%d/%m/%Y %H:%M"), MDY, WindowError, r"has another date order: column 'placed' of line 122 .* '%d/%m/%Y %H:%M' reads all of them"),
    "month first, days to 12": (dated("%m/%d/%Y %H:%M", FIRST_DAYS), DMY, WindowError, r"has another date order: in the declared format '%d/%m/%Y %H:%M' of column 'placed', 0 rows of 2026-06-08 to 2026-06-15 are found; in '%m/%d/%Y %H:%M', 96, the first in line 2"),
    "ISO 8601": (csv_of(OF_WEEK), DMY, WindowError, r"has another format of dates: column 'placed' of line 2 .*; ISO 8601 reads all of them\. If the source changed, remove"),
    "another format": (dated("%d.%m.%Y %H:%M"), {}, WindowError, r"has another format of dates: column 'placed' of line 2 is not in ISO 8601 \(168 rows of 168\); '%d\.%m\.%Y %H:%M' reads"),
    "decimal comma": (csv_of([{**order, "price": "1,5"} for order in OF_WEEK]), {}, WindowError, r"has another decimal mark: column 'price' of line 2 has ',', and '\.' is declared"),
    "renamed": (csv_of(OF_WEEK, lambda text: text.replace("placed", "placed_at", 1)), {}, WindowError, r"has no column 'placed' in 'orders\.csv'\. If it was renamed to 'placed_at', correct 'data\.sources\.orders\.columns'"),
    "two columns less": (csv_of(OF_WEEK, lambda text: text.replace("price,city", "x,y", 1)), {}, WindowError, r"has no column 'price', 'city' in 'orders\.csv'\. It has 5 columns: 'id', 'placed', 'x', 'y', 'paid'"),
    "semicolons": (csv_of(OF_WEEK, delimiter=";"), {}, WindowError, r"has another delimiter: the header of 'orders\.csv' is divided by ';', and ',' is declared"),
    "tabs": (csv_of(OF_WEEK, delimiter="\t"), {}, WindowError, r"is divided by 'tab', and ',' is declared"),
    "bad values": (csv_of([{**order, "price": -1} for order in OF_WEEK]), {}, WindowError, r"has too many bad rows: 168 rows of 168, more than 1\.00%\. 'price is at least 0' fails in 168 rows, first in line 2"),
    "another number of values": (csv_of(OF_WEEK, lambda text: text.replace("Z", ",")), {}, WindowError, r"'has 5 values, as the header' fails in 42 rows, first in line 3"),
    "a quote": (csv_of(OF_WEEK, lambda text: text.replace(",Z", ',"Z', 1)), {}, WindowError, r"'is a CSV row .*' fails in 3 rows, first in line 3"),
    "cut off": (csv_of(OF_WEEK, lambda text: text[:3000].rpartition(",")[0]), {}, WindowError, r"is cut off: 'orders\.csv' is not complete: it ends in line \d+, with \d of 5 values"),
    "cut off in a quote": (csv_of(OF_WEEK, lambda text: text[: text.index('and\ttab"') + 3]), {}, WindowError, r"it ends in line \d+, within a quote"),
    "JSON cut off": (lambda root: (root / "o.jsonl").write_text(json.dumps(dict.fromkeys(COLUMNS)) + '\n{"id": 1'), {"url": "o.jsonl"}, WindowError, r"it ends in line 2, within a record"),
    "Parquet cut off": (lambda root: (root / "o.parquet").write_bytes(b"PAR1 and more"), {"url": "o.parquet"}, WindowError, r"Parquet files end with their schema"),
    "gzip cut off": (compressed(gzip.compress(HEADER.encode() * 99)[:-9]), {"url": "orders.csv.gz"}, WindowError, r"its compressed content ends early or is damaged"),
    "gzip bomb": (compressed(gzip.compress(HEADER.encode() * 99_999)), {"url": "orders.csv.gz", "max_bytes": 1_000_000}, SourceError, r"is too large: 'orders\.csv\.gz' has more than 1,000,000 bytes\. Raise"),
    "another type": (kind("parquet"), {"url": "orders.parquet", "columns": {**COLUMNS, "id": "string"}}, WindowError, r"has the type int64 in column 'id', which is declared as 'string'"),
}  # fmt: skip


def sentence_of(name: str, root: Path) -> str:
    write, settings, error, _ = CASES[name]
    with pytest.raises(error) as caught:
        accept(root, write, settings, USUAL)
    assert type(caught.value) is error
    return str(caught.value)


def accept(root: Path, write: Write, settings: Mapping[str, Any], earlier: Sequence[Earlier] = ()) -> Facts:
    (root / "read").mkdir(parents=True)
    write(root)
    source = declared_source(project.load(write_project(root, {"url": "orders.csv", **settings})), "orders")
    facts = read_source(source, WEEK, root / "read")
    check_window(source, WEEK, facts, earlier)
    return facts


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_TOKEN", "topsecret")
        return {name: sentence_of(name, tmp_path_factory.mktemp("shop")) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_a_sentence_names_the_source_the_row_and_the_remedy(name: str, sentences: Mapping[str, str]) -> None:
    sentence = sentences[name]
    assert re.search(CASES[name][3], sentence), sentence
    assert sentence.startswith("The source 'orders' ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "topsecret" not in sentence


def test_the_sentences_differ(sentences: Mapping[str, str]) -> None:
    """Not only in their values: each problem has words of its own."""
    shapes = {name: re.sub(r"'[^']*'|\d[\d.,:-]*", "…", sentence) for name, sentence in sentences.items()}
    kinds = ["no file", "no files", "connection refused", "late", "empty", "half", "few", "loaded twice", "nearly twice the rows",
             "cp1252", "month first", "month first, days to 12", "another format", "decimal comma", "renamed", "semicolons",
             "bad values", "cut off", "another type"]  # fmt: skip
    for one, other in itertools.combinations(kinds, 2):
        assert shapes[one] != shapes[other], f"{one} and {other}"


@pytest.mark.parametrize("format", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"])
def test_a_file_of_all_weeks_in_the_declared_order_is_accepted(format: str, tmp_path: Path) -> None:
    facts = accept(tmp_path, dated(format, ORDERS), {"dates": {"placed": format}}, USUAL)
    assert (facts.rows, facts.outside, facts.bad) == (168, 336, 0)


def test_a_time_that_clocks_skip_is_a_bad_row(tmp_path: Path) -> None:
    rows = [{**OF_WEEK[0], "id": number, "placed": f"2026-03-08 0{number}:30"} for number in range(5)]
    window = parse_days("2026-03-08", "2026-03-09", zone=WEEK.zone)
    (tmp_path / "read").mkdir()
    csv_of(rows)(tmp_path)
    source = declared_source(project.load(write_project(tmp_path, {"url": "orders.csv"})), "orders")
    facts = read_source(source, window, tmp_path / "read")
    assert (facts.rows, facts.bad) == (4, 1)
    assert pq.read_table(tmp_path / "read/quarantine.parquet")["number"].to_pylist() == [4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "postgresql://ann:secret@db/shop", "table": "orders"}, r"'data\.sources\.orders\.url' holds a password\. Put it into an environment variable, and write a reference such as \$\{SHOP_PASSWORD\}"),
        ({"headers": {"Authorization": "Bearer x"}}, r"'data\.sources\.orders\.headers\.Authorization' holds a secret"),
        ({"url": "postgresql://db/shop"}, r"'data\.sources\.orders' is a database\. Add the 'table' or the 'query'"),
        ({"table": "orders"}, r"has a 'table' or 'query', which applies only to databases"),
        ({"url": "sqlite:///a.db", "query": "SELECT 1"}, r"query' does not use \$from and \$to"),
        ({"time": "plced"}, r"'data\.sources\.orders\.time' is 'plced', which is not one of the columns\. Did you mean 'placed'\?"),
        ({"time": "id"}, r"The column 'id' of 'data\.sources\.orders' is of the kind 'integer', but times are of the kind 'timestamp'"),
        ({"dates": {"placed": "%H:%M"}}, r"dates\.placed' is '%H:%M', which does not hold year, month and day"),
        ({"encoding": "utf8x"}, r"encoding' is 'utf8x', which is not an encoding"),
        ({"delimiter": ";;"}, r"delimiter' is ';;', which is not one character"),
        ({"window": "weeks"}, r"window' is 'weeks', which is not known\. Did you mean 'week'\?"),
        ({"columns": {**COLUMNS, "city": {"kind": "string", "minimum": 1}}}, r"The column 'city' .* has limits, which apply only to numbers"),
        ({"columns": {**COLUMNS, "city": {"kind": "string", "nulable": True}}}, r"unknown key 'data\.sources\.orders\.columns\.city\.nulable'\. Did you mean"),
        ({"timezone": "Mars"}, r"timezone' is 'Mars', which is not a time zone"),
    ],
)  # fmt: skip
def test_a_source_that_could_never_be_read_is_an_error(
    settings: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=message):
        project.load(write_project(tmp_path, {"url": "orders.csv", **settings}))
