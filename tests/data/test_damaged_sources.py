"""Damaged files of every format: a sentence, and no row that is lost unseen."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from source_kinds import COLUMNS, ZONE, make_orders, open_kind, write_csv, write_project

from nbship import project
from nbship.data.sources import declared_source, parse_days
from nbship.data.windows import Facts, check_window, read_source
from nbship.errors import DataError

WEEK = parse_days("2026-06-08", "2026-06-15", zone=ZoneInfo(ZONE))
GARBAGE = random.Random(1).randbytes(3000)
CONTENTS = {
    "empty": b"", "garbage": GARBAGE, "text": b"hello, world\n", "NUL": bytes(1000), "list": b"[]", "number": b"3\n", "zip": b"PK\x03\x04" + GARBAGE,
    "Parquet": b"PAR1" + GARBAGE + b"PAR1", "SQLite": b"SQLite format 3\0" + GARBAGE, "gzip": b"\x1f\x8b" + GARBAGE, "latin-1": "größe,é\n".encode("latin-1"),
    "header": ",".join(COLUMNS).encode() + b"\n" + GARBAGE, "quotes": b'"' * 1001, "newlines": b"\n" * 1000, "deep": b"[" * 5000,
}  # fmt: skip
FORMATS = {
    "csv": {"url": "damaged.csv"},
    "csv.gz": {"url": "damaged.csv.gz"},
    "jsonl": {"url": "damaged.jsonl"},
    "parquet": {"url": "damaged.parquet"},
    "sqlite": {"url": "sqlite:///damaged.sqlite", "table": "orders"},
    "duckdb": {"url": "duckdb:///damaged.duckdb", "table": "orders"},
}


def read(root: Path, settings: dict[str, str]) -> Facts:
    source = declared_source(project.load(write_project(root, settings)), "orders")
    (root / "read").mkdir(exist_ok=True)
    return read_source(source, WEEK, root / "read")


def problem_of(root: Path, settings: dict[str, str]) -> str:
    """Return why the week is rejected; empty if it is accepted."""
    try:
        facts = read(root, settings)
        check_window(declared_source(project.load(root), "orders"), WEEK, facts)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("format", FORMATS)
def test_another_content_is_a_sentence(format: str, tmp_path: Path) -> None:
    for name, content in CONTENTS.items():
        for given in (content, gzip.compress(content)) if format == "csv.gz" else (content,):
            (tmp_path / f"damaged.{format}").write_bytes(given)
            message = problem_of(tmp_path, FORMATS[format])
            assert message.startswith("The source 'orders' "), name
            assert message.endswith("."), name
            assert message.isprintable(), name


@pytest.mark.parametrize("format", ["parquet", "sqlite", "duckdb"])
def test_damaged_bytes_are_a_sentence_or_harmless(format: str, tmp_path: Path, full: bool) -> None:
    chance = random.Random(3)
    with open_kind(format, tmp_path / "good", make_orders()) as settings:
        path = tmp_path / "good" / f"orders.{format}"
        content = path.read_bytes()
        for _ in range(100 if full else 5):
            damaged = bytearray(content)
            for position in chance.sample(range(len(damaged)), 20):
                damaged[position] = chance.randrange(256)
            path.write_bytes(damaged)
            problem = problem_of(tmp_path / "good", settings)
            assert not problem or problem.startswith("The source 'orders' ")


def test_no_line_is_lost_unseen(tmp_path: Path, full: bool) -> None:
    """Each line below the header is an accepted row, a bad one, a duplicate, or of another window."""
    chance = random.Random(5)
    orders = [{**order, "city": "Bern"} for order in make_orders()]
    write_csv(tmp_path / "orders.csv", orders)
    header, rest = (tmp_path / "orders.csv").read_bytes().decode().split("\r\n", 1)
    for _ in range(200 if full else 10):
        text = list(rest)
        for position in chance.sample(range(len(text) - 2), 8):
            text[position] = chance.choice(["", ",", ",,", "x", "\t", ";", "\n", "\r\n", "'", "0", " "])
        content = header + "\n" + "".join(text)
        (tmp_path / "orders.csv").write_text(content, newline="")
        facts = read(tmp_path, {"url": "orders.csv"})
        lines = [line for line in "".join(text).split("\n") if line.strip("\r")]
        assert facts.rows + facts.bad + facts.duplicates + facts.outside == len(lines)
