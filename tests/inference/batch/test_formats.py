"""Batches between all file formats and databases, stopped at any point."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from packages import make_rows
from services import postgres_url
from waiting import wait_until

from nbship import predictor
from nbship.errors import InvalidInputError, SourceError
from nbship.inference import load_table, predict_file, replay, save_query
from nbship.inference.batch import run as batches
from nbship.prediction_log import SqlLog, open_log
from nbship.tabular.readers import read_chunks

KINDS = ("csv", "jsonl", "parquet")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlLog]:
    with open_log(tmp_path / "state" / "log.sqlite") as log:
        yield log


@pytest.fixture
def rows() -> pd.DataFrame:
    return make_rows(230, seed=5).drop(columns=["limit", "grade"])


def write(frame: pd.DataFrame, path: Path, *, group: int = 20) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False, row_group_size=group)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        plain = frame.astype(object).where(frame.notna(), None).to_dict("records")
        path.write_text(
            "".join(json.dumps(row, default=lambda time: time.isoformat()) + "\n" for row in plain), encoding="utf-8"
        )
    return path


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True, precise_float=True)


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_every_input_format_to_every_output_format(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame, source: str, target: str
) -> None:
    loaded = predictor.load(small_package)
    given, made = write(rows, tmp_path / f"in.{source}"), tmp_path / f"out.{target}"
    summary = predict_file(loaded, log, source=given, target=made)
    assert (summary.run.rows, summary.run.rejected) == (230, 0)
    output = read(made)
    assert list(output) == ["at", "line", "prediction_id", "label", "probability"]
    assert output["probability"].tolist() == loaded.predict(rows).probability.tolist()
    assert pd.to_datetime(output["at"], utc=True).tolist() == rows["at"].dt.tz_convert("UTC").tolist()
    assert replay(log, output["prediction_id"][77], predictor=loaded).same


def test_invalid_lines_are_rejected_with_reasons(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame
) -> None:
    source = write(rows.head(5), tmp_path / "in.jsonl")
    good = json.loads(source.read_text().splitlines()[0])
    wrong = ["{", "3", json.dumps({**good, "size": "x"}), json.dumps({**good, "size": NAN}), '{"size": 1, "size": 2}',
             json.dumps({name: value for name, value in good.items() if name != "line"})]  # fmt: skip
    with source.open("a") as file:
        file.write("\n".join(wrong) + "\n" + json.dumps(good) + "\n")
    summary = predict_file(predictor.load(small_package), log, source=source, target=tmp_path / "out.jsonl")
    assert (summary.run.rows, summary.run.rejected) == (6, 6)
    rejected = pd.read_csv(tmp_path / "out.jsonl.rejected.csv")
    assert rejected["row"].tolist() == list(range(5, 11))
    assert rejected["line"].tolist() == wrong
    for number, reason in enumerate(
        ["not JSON", "not an object", "size: is 'x'", "NaN is not JSON", "'size' occurs twice", "line: is missing"]
    ):
        assert reason in rejected["reason"][number]
    assert [int(id.rpartition("-")[2]) for id in read(tmp_path / "out.jsonl")["prediction_id"]] == [0, 1, 2, 3, 4, 11]


NAN = float("nan")


def test_unknown_keys_in_json_lines(tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame) -> None:
    loaded, source = predictor.load(small_package), write(rows.assign(colour="red"), tmp_path / "in.jsonl")
    with pytest.raises(Exception, match="column 'colour'"):
        predict_file(loaded, log, source=source, target=tmp_path / "out.csv")
    assert predict_file(loaded, log, source=source, target=tmp_path / "out.csv", ignore_extra=True).run.rows == 230


@pytest.mark.parametrize("kind", KINDS)
def test_chunk_bounds_depend_only_on_row_numbers(
    tmp_path: Path, small_package: Path, rows: pd.DataFrame, kind: str
) -> None:
    fields = predictor.load(small_package).signature.inputs
    path = write(rows, tmp_path / f"in.{kind}")
    whole = pd.concat([chunk.frame for chunk in read_chunks(path, fields, rows=1000)])
    for start in (0, 1, 20, 229, 230, 500):
        chunks = list(read_chunks(path, fields, rows=20, start=start))
        assert [len(chunk.index) for chunk in chunks[:-1]] == [20] * (len(chunks) - 1)
        found = [number for chunk in chunks for number in chunk.index]
        assert found == list(range(start, 230))
        if chunks:
            pd.testing.assert_frame_equal(
                pd.concat([chunk.frame for chunk in chunks]), whole.iloc[start:], check_index_type=False
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_resumes_to_the_same_output(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(batches, "CHUNK_ROWS", 10)
    monkeypatch.setattr(batches, "PARTITION_ROWS", 30)
    loaded = predictor.load(small_package)
    broken = rows.astype({"size": object})
    broken.loc[[5, 100, 229], "size"] = 77
    source = write(broken.astype({"size": int}), tmp_path / f"in.{kind}", group=30)
    whole = predict_file(loaded, log, source=source, target=tmp_path / f"whole.{kind}")
    rejected = (tmp_path / f"whole.{kind}.rejected.csv").read_bytes()
    target = tmp_path / f"out.{kind}"

    class StoppedError(Exception):
        pass

    for stop in (10, 40, 60, 100, 220):
        seen: list[int] = []

        def progress(count: int, stop: int = stop, seen: list[int] = seen) -> None:
            seen.append(count)
            if count >= stop:
                raise StoppedError

        finished = list(tmp_path.glob(f".{target.name}.*.parts/*.json"))
        # Workers finish partitions in any order; the last one has 20 rows.
        done = sum(json.loads(path.read_text())["seen"] for path in finished)
        if done == len(rows):
            # Before they were killed, the workers had finished all.
            break
        with pytest.raises(StoppedError):
            predict_file(loaded, log, source=source, target=target, progress=progress)
        assert not target.exists()
        # Finished partitions are not scored again.
        assert seen[0] == done + 10
    assert done > 30
    run = predict_file(loaded, log, source=source, target=target).run
    assert (run.output_digest, run.rows, run.rejected) == (whole.run.output_digest, 227, 3)
    assert (run.first_event, run.last_event) == (whole.run.first_event, whole.run.last_event)
    assert (tmp_path / f"out.{kind}.rejected.csv").read_bytes() == rejected
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("partition_rows", [1000, 30])
@pytest.mark.parametrize("stop", ["log", "rejected", "output", "removed"])
def test_a_run_stopped_at_its_very_end_loses_nothing(
    tmp_path: Path,
    log: SqlLog,
    small_package: Path,
    rows: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    partition_rows: int,
    stop: str,
) -> None:
    monkeypatch.setattr(batches, "CHUNK_ROWS", 10)
    monkeypatch.setattr(batches, "PARTITION_ROWS", partition_rows)
    loaded, target = predictor.load(small_package), tmp_path / "out.csv"
    source = write(rows.assign(size=rows["size"].where(rows.index != 5, 77)), tmp_path / "in.csv")

    class StoppedError(Exception):
        pass

    def stopped(*_: object) -> None:
        raise StoppedError

    with monkeypatch.context() as patch:
        real = batches.publish
        if stop == "log":
            patch.setattr(log, "append", stopped)
        elif stop == "removed":
            patch.setattr(batches.PartitionFolder, "remove", stopped)
        else:
            last = "rejected.csv" if stop == "output" else "nothing"
            patch.setattr(
                batches, "publish", lambda made, to, **how: real(made, to, **how) if made.name == last else stopped()
            )
        with pytest.raises(StoppedError):
            predict_file(loaded, log, source=source, target=target)
    run = predict_file(loaded, log, source=source, target=target).run
    assert (run.rows, run.rejected, len(pd.read_csv(target))) == (229, 1, 229)
    assert pd.read_csv(tmp_path / "out.csv.rejected.csv")["row"].tolist() == [5]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_two_processes_cannot_write_the_same_output(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame
) -> None:
    source, target = write(rows, tmp_path / "in.csv"), tmp_path / "out.csv"
    loaded = predictor.load(small_package)

    def other(_: int) -> None:
        with pytest.raises(SourceError, match="Another process is writing"):
            predict_file(loaded, log, source=source, target=target)

    assert predict_file(loaded, log, source=source, target=target, progress=other).run.rows == 230


ENDLESS = "import time; from nbship.inference.batch import run; run.digest_of = lambda _: time.sleep(1000);"


@pytest.mark.parametrize("kind", KINDS)
def test_all_rows_are_in_the_progress(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(batches, "CHUNK_ROWS", 10)
    monkeypatch.setattr(batches, "PARTITION_ROWS", 30)
    source, seen = write(rows, tmp_path / f"in.{kind}", group=30), list[int]()
    target = tmp_path / f"out.{kind}"
    predict_file(predictor.load(small_package), log, source=source, target=target, progress=seen.append)
    assert seen == list(range(10, 231, 10))


def test_a_killed_command_resumes(tmp_path: Path, small_package: Path, rows: pd.DataFrame) -> None:
    script = (
        "import sys; from nbship.inference.batch import run; from nbship import cli;"
        "run.CHUNK_ROWS, run.PARTITION_ROWS = 10, 20; cli.main(sys.argv[1:])"
    )
    source = write(pd.concat([rows] * 20), tmp_path / "in.parquet")
    environ = {**os.environ, "NBSHIP_STATE": str(tmp_path / "state")}

    def start(target: str, *, change: str = "") -> subprocess.Popen[bytes]:
        words = ["predict", str(source), target, "--package", str(small_package), "--json"]
        command = [sys.executable, "-c", f"{change}{script}", *words]
        return subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE)

    whole = json.loads(start("whole.parquet").communicate()[0])
    for kill in range(3):
        # However late it is looked at, it is not at its end: that it comes to when nothing stops it.
        process = start("out.parquet", change=ENDLESS)
        wait_until(lambda kill=kill: len(list(tmp_path.glob(".out.parquet.*/*.json"))) >= 30 * (kill + 1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out.parquet").exists()
    done = json.loads(start("out.parquet").communicate()[0])
    assert (done["rows"], done["id"]) == (whole["rows"], whole["id"])
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shop.db'}"
        return
    with postgres_url() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://", 1)


def fill(database: str, rows: pd.DataFrame) -> None:
    engine = sa.create_engine(database)
    columns = [sa.Column("at", sa.DateTime(timezone=True)), sa.Column("line", sa.Text), sa.Column("size", sa.BigInteger), sa.Column("weight", sa.Numeric(asdecimal=True))]  # fmt: skip
    table = sa.Table("orders", sa.MetaData(), sa.Column("id", sa.BigInteger, primary_key=True), *columns)
    table.create(engine)
    records = [
        {**row, "weight": None if row["weight"] != row["weight"] else row["weight"], "at": row["at"].to_pydatetime()}
        for row in rows.to_dict("records")
    ]
    with engine.begin() as connection:
        connection.execute(table.insert(), [{"id": number, **record} for number, record in enumerate(records)])
    engine.dispose()


def query(database: str, text: str) -> list[tuple]:
    engine = sa.create_engine(database)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(text))]
    engine.dispose()
    return found


@pytest.mark.filterwarnings("ignore:Dialect sqlite.*does .not. support Decimal")
def test_from_a_database_and_back(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame, database: str
) -> None:
    fill(database, rows)
    loaded = predictor.load(small_package)
    snapshot, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    chosen = "SELECT at, line, size, weight FROM orders ORDER BY id"
    assert save_query(database, chosen, snapshot, signature=loaded.signature) == 230
    run = predict_file(loaded, log, source=snapshot, target=target).run
    for _ in range(2):
        load_table(target, database, "scored", run=run.id)
        scored = query(database, "SELECT probability, line FROM scored ORDER BY at")
        assert [line for _, line in scored] == rows["line"].tolist()
    # SQLite stores local times without their zone, so its inputs differ.
    if database.startswith("postgresql"):
        assert [probability for probability, _ in scored] == loaded.predict(rows).probability.tolist()


def test_database_errors_do_not_show_the_password(tmp_path: Path, small_package: Path, database: str) -> None:
    (tmp_path / "shop.db").touch()  # SQLite takes an empty file for an empty database
    signature = predictor.load(small_package).signature
    with pytest.raises(SourceError, match=r"Cannot read the database .*nowhere"):
        save_query(database, "SELECT * FROM nowhere", tmp_path / "in.parquet", signature=signature)
    with pytest.raises(SourceError, match="returned no rows"):
        save_query(database, "SELECT 1 AS size WHERE 1 = 2", tmp_path / "in.parquet", signature=signature)
    with pytest.raises(SourceError, match="Cannot read") as caught:
        save_query(
            "postgresql+psycopg://ann:secret@127.0.0.1:1/x", "SELECT 1", tmp_path / "in.parquet", signature=signature
        )
    assert "secret" not in str(caught.value)
    with pytest.raises(SourceError, match="is not valid"):
        save_query("no such://thing", "SELECT 1", tmp_path / "in.parquet", signature=signature)
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_run_without_valid_rows_writes_only_the_rejected_rows(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame
) -> None:
    source = write(rows.assign(size=-1), tmp_path / "in.jsonl")
    with pytest.raises(InvalidInputError, match="size"):
        predict_file(predictor.load(small_package), log, source=source, target=tmp_path / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl.rejected.csv", "state"]


@pytest.mark.parametrize("output", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_output_has_the_keys_of_every_input(
    tmp_path: Path, log: SqlLog, small_package: Path, rows: pd.DataFrame, kind: str, output: str
) -> None:
    source = write(rows, tmp_path / f"in.{kind}")
    target = tmp_path / f"out.{output}"
    predict_file(predictor.load(small_package), log, source=source, target=target)
    readers = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": partial(pd.read_json, lines=True)}
    found = readers[output](target)
    assert found["line"].tolist() == rows["line"].tolist()
    times = pd.to_datetime(found["at"].astype(str), utc=True, format="ISO8601")
    assert (times.to_numpy() == rows["at"].dt.tz_convert("UTC").to_numpy()).all()
