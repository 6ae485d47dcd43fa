"""A timestamp is the same instant in every type, unit and zone of every file, or its row is invalid.

The expected instants are computed with Python's integers and `zoneinfo`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from packages import build_small, make_rows

from nbship.cli import nbship
from nbship.errors import SourceError
from nbship.model import Field
from nbship.tabular import read_chunks

EPOCH = datetime(1970, 1, 1)
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FIRST, LAST = datetime.min, datetime.max.replace(microsecond=0)
TIMES = {
    "usual": datetime(2024, 7, 1, 12), "winter": datetime(2024, 1, 1), "before 1970": datetime(1969, 12, 31, 23, 59, 59), "old": datetime(1678, 1, 1),
    "far": datetime(2261, 12, 31), "first": FIRST, "third": FIRST + timedelta(days=3), "9999": datetime(9999, 12, 31), "last": LAST,
    "last but two": LAST - timedelta(days=3), "gap": datetime(2024, 3, 31, 2, 30), "twice": datetime(2024, 10, 27, 2, 30),
}  # fmt: skip
BERLIN = ZoneInfo("Europe/Berlin")


def ticks(time: datetime, unit: str) -> int:
    return (time - EPOCH) // timedelta(microseconds=1) * UNITS[unit] // 10**6


def on_clock(time: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the instant at which a clock shows a time; None if it never does, or twice, or Python has no such time."""
    zoned = time.replace(tzinfo=zone)
    if zoned.utcoffset() != zoned.replace(fold=1).utcoffset():
        return None
    try:
        return zoned.astimezone(UTC)
    except OverflowError:
        return None


def read(path: Path, zone: str | None, *, nullable: bool = False) -> tuple[list[datetime | None], dict[int, str]]:
    """Return the instants of a column `x`, without those of invalid rows, and the reasons."""
    (chunk,) = read_chunks(path, [Field("x", "datetime", nullable=nullable, timezone=zone)])
    assert len(chunk.raw) == len(chunk.index)
    found = [None if value is pd.NaT else value.to_pydatetime() for value in chunk.frame["x"]]
    return found, {failure.row: failure.reason for failure in chunk.failures}


def parquet(folder: Path, column: pa.Array, **options: object) -> Path:
    pq.write_table(pa.table({"x": column}), folder / "t.parquet", **options)
    return folder / "t.parquet"


@pytest.mark.parametrize("stored", [None, "UTC", "Asia/Tokyo", "+05:30", "Mars/Olympus"])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_timestamps_of_parquet(tmp_path: Path, unit: str, stored: str | None, zone: str | None) -> None:
    times = [time for time in TIMES.values() if unit != "ns" or 1678 <= time.year < 2262]
    column = pa.array([ticks(time, unit) for time in times], pa.int64()).cast(pa.timestamp(unit, stored))
    path = parquet(tmp_path, column)
    if stored is None and zone is None:
        with pytest.raises(SourceError, match=r"'x' holds times without a zone\. Write them with one, or set"):
            read(path, zone)
        return
    expected = [time.replace(tzinfo=UTC) if stored else on_clock(time, ZoneInfo(zone or "UTC")) for time in times]
    found, failures = read(path, zone)
    assert found == [time for time in expected if time is not None]
    assert list(failures) == [row for row, time in enumerate(expected) if time is None]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("stored", [None, "UTC", "Asia/Tokyo"])
def test_int96_is_in_utc(tmp_path: Path, stored: str | None, zone: str | None) -> None:
    # Arrow writes INT96 from nanoseconds, which hold the years 1678 to 2261 only, or from microseconds.
    times = list(TIMES.values())
    column = pa.array([ticks(time, "us") for time in times], pa.int64()).cast(pa.timestamp("us", stored))
    path = parquet(tmp_path, column, use_deprecated_int96_timestamps=True)
    assert read(path, zone) == ([time.replace(tzinfo=UTC) for time in times], {})


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/Sao_Paulo"])
@pytest.mark.parametrize("type", [pa.date32(), pa.date64(), pa.string(), pa.large_string(), pa.binary()], ids=str)
def test_dates_begin_at_midnight_in_the_zone_of_the_field(tmp_path: Path, type: pa.DataType, zone: str) -> None:
    # Where clocks were set forward at midnight, that day has none.
    days = [date.min, date.min + timedelta(days=3), date(1969, 12, 31), date(2018, 11, 4), date(2024, 7, 1), date(9999, 12, 28), date.max]  # fmt: skip
    values = (
        days if pa.types.is_date(type) else [str(day).encode() if type == pa.binary() else str(day) for day in days]
    )
    expected = [on_clock(datetime(day.year, day.month, day.day), ZoneInfo(zone)) for day in days]
    found, failures = read(parquet(tmp_path, pa.array(values, type)), zone)
    assert found == [time for time in expected if time is not None]
    assert list(failures) == [row for row, time in enumerate(expected) if time is None]


BEYOND = {
    "s": [ticks(LAST, "s") + 1, ticks(FIRST, "s") - 1, 2**50, -(2**50)],
    "ms": [ticks(LAST, "ms") + 1000, ticks(FIRST, "ms") - 1, 2**62, -(2**62)],
    "us": [ticks(LAST, "us") + 10**6, ticks(FIRST, "us") - 1, 2**62, -(2**62)],
}


@pytest.mark.parametrize("stored", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", BEYOND)
def test_a_timestamp_that_python_does_not_have_is_invalid(tmp_path: Path, unit: str, stored: str | None) -> None:
    counts = [*BEYOND[unit], 0, None]
    path = parquet(tmp_path, pa.array(counts, pa.int64()).cast(pa.timestamp(unit, stored)))
    found, failures = read(path, "UTC", nullable=True)
    assert found == [EPOCH.replace(tzinfo=UTC), None]
    assert failures == dict.fromkeys(range(4), "is too early or too late")


def test_a_date_that_python_does_not_have_is_invalid(tmp_path: Path) -> None:
    days = [(date.max - date(1970, 1, 1)).days + 1, (date.min - date(1970, 1, 1)).days - 1, 2**31 - 1, 0]
    found, failures = read(parquet(tmp_path, pa.array(days, pa.int32()).cast(pa.date32())), "UTC")
    assert found == [EPOCH.replace(tzinfo=UTC)]
    assert failures == dict.fromkeys(range(3), "is too early or too late")


def test_what_is_finer_than_a_microsecond_is_cut_off_as_in_text(tmp_path: Path) -> None:
    column = pa.array([-1, 1, 1_999, -1_001], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    texts = ["1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000001999Z", "1969-12-31T23:59:59.999998999Z"]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["x", *texts]), encoding="utf-8")
    assert read(parquet(tmp_path, column), None) == read(tmp_path / "t.csv", None)


def csv(folder: Path, texts: list[str]) -> Path:
    (folder / "t.csv").write_text("\n".join(["x", *texts, ""]), encoding="utf-8")
    return folder / "t.csv"


def lines(folder: Path, texts: list[str]) -> Path:
    (folder / "t.jsonl").write_text("".join(json.dumps({"x": text}) + "\n" for text in texts), encoding="utf-8")
    return folder / "t.jsonl"


def strings(folder: Path, texts: list[str]) -> Path:
    return parquet(folder, pa.array(texts))


def coded(folder: Path, texts: list[str]) -> Path:
    return parquet(folder, pa.array(texts).dictionary_encode())


def naive(folder: Path, texts: list[str]) -> Path:
    return parquet(folder, pa.array([datetime.fromisoformat(text) for text in texts], pa.timestamp("us")))


@pytest.mark.parametrize("write", [csv, lines, strings, coded, naive])
def test_a_time_without_zone_is_on_the_clock_of_the_field_in_every_file(
    tmp_path: Path, write: Callable[[Path, list[str]], Path]
) -> None:
    expected = [on_clock(time, BERLIN) for time in TIMES.values()]
    found, failures = read(write(tmp_path, [time.isoformat(" ") for time in TIMES.values()]), "Europe/Berlin")
    assert found == [time for time in expected if time is not None]
    assert list(failures) == [row for row, time in enumerate(expected) if time is None]


@pytest.mark.parametrize("target", ["out.csv", "out.jsonl", "out.parquet"])
def test_rows_with_such_timestamps_are_rejected_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    package = build_small(tmp_path / "models", fields=[Field("name", "string", pii=True, example="Ann")])
    rows = pa.Table.from_pandas(make_rows(6, seed=5).drop(columns=["limit", "grade"]), preserve_index=False)
    counts = [2**62, 2**52, ticks(LAST, "ms") + 1000, 0, 0, 0]
    at = pa.array(counts, pa.int64()).cast(pa.timestamp("ms", "Asia/Tokyo"))
    rows = rows.set_column(rows.column_names.index("at"), "at", at).append_column("name", pa.array(["Ann"] * 6))
    pq.write_table(rows, tmp_path / "in.parquet")
    words = [
        str(tmp_path / "in.parquet"),
        str(tmp_path / target),
        "--package",
        str(package),
        "--json",
        "--max-rejected",
        "1",
    ]
    result = CliRunner().invoke(nbship, ["predict", *words], catch_exceptions=False)
    assert (json.loads(result.stdout)["rows"], json.loads(result.stdout)["rejected"]) == (3, 3)
    rejected = pd.read_csv(tmp_path / f"{target}.rejected.csv")
    assert rejected["reason"].tolist() == ["at: is too early or too late"] * 3
