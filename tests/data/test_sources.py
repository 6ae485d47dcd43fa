"""Sources answer SQL with bound parameters and say clearly what is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from nbship.data.sources import DuckDBSource, Source, SQLiteSource, open_source
from nbship.errors import SourceError


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "planes.csv"
    path.write_text("tail,seats\nN1,100\nN2,NA\nN3,180\n")
    return path


def _duckdb(folder: Path) -> Source:
    with duckdb.connect(str(folder / "planes.duckdb")) as connection:
        connection.execute("CREATE TABLE planes AS SELECT * FROM (VALUES ('N1', 100), ('N3', 180)) AS t (tail, seats)")
    return open_source(f"duckdb:///{folder}/planes.duckdb")


def _sqlite(folder: Path) -> Source:
    with sqlite3.connect(folder / "planes.sqlite") as connection:
        connection.execute("CREATE TABLE planes (tail TEXT, seats INTEGER)")
        connection.executemany("INSERT INTO planes VALUES (?, ?)", [("N1", 100), ("N3", 180)])
    connection.close()
    return open_source(f"sqlite:///{folder}/planes.sqlite")


DATABASES = pytest.mark.parametrize("connect", [_duckdb, _sqlite])


@DATABASES
def test_a_parameter_is_bound_and_never_pasted(connect: Callable[[Path], Source], tmp_path: Path) -> None:
    with connect(tmp_path) as source:
        query = "SELECT tail, seats FROM planes WHERE tail = $tail ORDER BY tail"
        assert source.query(query, {"tail": "N3"}).to_pylist() == [{"tail": "N3", "seats": 180}]
        assert source.query(query, {"tail": "N3' OR '1'='1"}).num_rows == 0


@DATABASES
def test_a_missing_or_unused_parameter_is_named(connect: Callable[[Path], Source], tmp_path: Path) -> None:
    with connect(tmp_path) as source:
        with pytest.raises(SourceError, match="tail"):
            source.query("SELECT * FROM planes WHERE tail = $tail")
        with pytest.raises(SourceError, match=r"does not use parameter 'wing'"):
            source.query("SELECT * FROM planes", {"wing": 1})


@DATABASES
def test_a_wrong_query_says_what_is_wrong_in_one_line(connect: Callable[[Path], Source], tmp_path: Path) -> None:
    with connect(tmp_path) as source:
        with pytest.raises(SourceError, match=r"plans.*Correct the query") as caught:
            source.query("SELECT * FROM plans")
        assert "\n" not in str(caught.value)


@DATABASES
def test_a_database_is_read_only(connect: Callable[[Path], Source], tmp_path: Path) -> None:
    with connect(tmp_path) as source:
        with pytest.raises(SourceError):
            source.query("DELETE FROM planes")
        assert source.query("SELECT count(*) AS n FROM planes").to_pylist() == [{"n": 2}]


def test_files_are_tables_and_null_is_null(table: Path) -> None:
    with DuckDBSource(tables={"planes": table}, null="NA") as source:
        assert source.query("SELECT count(seats) AS known, count(*) AS n FROM planes").to_pylist() == [
            {"known": 2, "n": 3}
        ]


def test_a_type_is_found_in_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("code\n" + "1\n" * 30_000 + "late\n")
    with DuckDBSource(tables={"codes": path}) as source:
        assert source.query("SELECT max(code) AS last FROM codes").to_pylist() == [{"last": "late"}]


def test_a_missing_file_is_named_with_its_table(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv' for the table 'planes'"):
        DuckDBSource(tables={"planes": tmp_path / "nowhere.csv"})


def test_an_unknown_kind_of_source_names_the_known_ones() -> None:
    with pytest.raises(SourceError, match=r"'oracle://host'.*duckdb, sqlite"):
        open_source("oracle://host")


def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "planes.duckdb").write_text("no database " * 1000)
    with pytest.raises(SourceError, match=r"planes\.duckdb"):
        open_source(f"duckdb:///{tmp_path}/planes.duckdb")


def test_an_empty_result_keeps_its_columns(tmp_path: Path) -> None:
    _sqlite(tmp_path).close()
    with SQLiteSource(tmp_path / "planes.sqlite") as source:
        assert source.query("SELECT tail FROM planes WHERE seats > 999").column_names == ["tail"]
