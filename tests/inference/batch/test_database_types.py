"""What databases store for booleans and times is read as the fields say: 0 and 1, bits, and times without a zone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa
from packages import build_small, make_rows
from services import postgres_url

from nbship import predictor
from nbship.errors import SourceError
from nbship.inference import predict_file, save_query
from nbship.inference.batch.databases import _table
from nbship.model import Field, Signature
from nbship.prediction_log import open_log
from nbship.tabular import read_chunks


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shop.db'}"
        return
    with postgres_url() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fields = [Field("fragile", "bool", example=True), Field("gift", "bool", nullable=True, example=True)]
    return build_small(tmp_path_factory.mktemp("models"), fields=fields)


@pytest.mark.parametrize("flags", [sa.Boolean, sa.SmallInteger, sa.Float])
@pytest.mark.parametrize("times", [sa.DateTime(timezone=False), sa.Text])
def test_rows_of_a_database_get_the_predictions_of_the_frame(
    tmp_path: Path, package: Path, database: str, flags: Any, times: Any
) -> None:
    loaded = predictor.load(package)
    zone = ZoneInfo(loaded.signature["at"].timezone or "UTC")
    rows = make_rows(12, seed=5).drop(columns=["limit", "grade"])
    rows["fragile"] = [True, False] * 6
    rows["gift"] = pd.Series([None, True, False] * 4, dtype=object)
    records = []
    for row in rows.to_dict("records"):
        at = row["at"].tz_convert(zone).tz_localize(None).to_pydatetime()
        record = {
            **row,
            "at": str(at) if times is sa.Text else at,
            "weight": None if row["weight"] != row["weight"] else row["weight"],
        }
        kind = bool if flags is sa.Boolean else int
        records.append(
            {**record, **{name: None if row[name] is None else kind(row[name]) for name in ("fragile", "gift")}}
        )
    columns = [sa.Column("at", times), sa.Column("line", sa.Text), sa.Column("size", sa.Integer), sa.Column("weight", sa.Float), sa.Column("fragile", flags), sa.Column("gift", flags)]  # fmt: skip
    engine = sa.create_engine(database)
    table = sa.Table("orders", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [{"id": number, **record} for number, record in enumerate(records)])
    engine.dispose()
    query = "SELECT at, line, size, weight, fragile, gift FROM orders ORDER BY id"
    assert save_query(database, query, tmp_path / "in.parquet", signature=loaded.signature) == 12
    with open_log(tmp_path / "log.sqlite") as log:
        run = predict_file(loaded, log, source=tmp_path / "in.parquet", target=tmp_path / "out.parquet").run
    assert (run.rows, run.rejected) == (12, 0)
    output = pd.read_parquet(tmp_path / "out.parquet")
    assert output["probability"].tolist() == loaded.predict(rows).probability.tolist()
    assert output["at"].tolist() == rows["at"].dt.tz_convert("UTC").tolist()


def test_the_bits_of_mysql_are_booleans(tmp_path: Path) -> None:
    # MySQL's drivers return BIT(1) as bytes, as SQLite returns blobs.
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE t (x BLOB)")
        connection.executemany("INSERT INTO t VALUES (?)", [(b"\1",), (b"\0",), (None,), (b"\3",)])
    connection.close()
    field = Field("x", "bool", nullable=True)
    save_query(
        f"sqlite:///{tmp_path / 'shop.db'}", "SELECT x FROM t", tmp_path / "t.parquet", signature=Signature((field,))
    )
    (chunk,) = read_chunks(tmp_path / "t.parquet", [field])
    assert chunk.frame["x"].tolist()[:2] == [1, 0]
    assert chunk.frame["x"].isna().tolist() == [False, False, True]
    assert [(failure.row, failure.reason) for failure in chunk.failures] == [
        (3, "is '3', which is neither true nor false")
    ]


@pytest.mark.parametrize("zoned_first", [True, False])
@pytest.mark.parametrize("later", [True, False])
def test_times_with_and_without_a_zone_in_one_column_are_an_error(zoned_first: bool, later: bool) -> None:
    noon = [datetime(2024, 7, 1, 12, tzinfo=UTC), datetime(2024, 7, 1, 12)]
    rows = [(each,) for each in (noon if zoned_first else noon[::-1])]
    signature = Signature((Field("x", "datetime", timezone="Europe/Berlin"),))
    types: dict[str, Any] = {}
    if later:
        _table(rows[:1], ["x"], types, signature)
    with pytest.raises(SourceError, match=r"'x' has times with and without a zone\. Cast it in the query"):
        _table(rows[later:], ["x"], types, signature)
