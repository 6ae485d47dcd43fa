"""Tables as files: the same rows, the same bytes; nothing is written through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from flights.tables import read_table, write_table


def frame() -> pd.DataFrame:
    times = pd.to_datetime(["2013-01-01T10:15Z", None])
    return pd.DataFrame(
        {"carrier": ["UA", None], "seats": [100.0, None], "at": times.as_unit("us"), "late": [True, False]}
    )


def test_the_same_rows_give_the_same_bytes_and_come_back(tmp_path: Path) -> None:
    first, second = write_table(frame(), tmp_path / "a.parquet"), write_table(frame(), tmp_path / "b.parquet")
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(read_table(first), frame())


def test_a_link_into_a_cache_is_replaced_not_written_through(tmp_path: Path) -> None:
    cached = write_table(frame().head(1), tmp_path / "cached.parquet")
    before = cached.read_bytes()
    os.link(cached, tmp_path / "product.parquet")
    write_table(frame(), tmp_path / "product.parquet")
    assert cached.read_bytes() == before
