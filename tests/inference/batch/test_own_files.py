"""Runs from and to databases and standard streams keep files of their own: none overwrites those of another."""

from __future__ import annotations

import gzip
import io
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from packages import make_rows

from nbship import predictor
from nbship.cli import nbship
from nbship.errors import NbshipError
from nbship.inference import replay
from nbship.prediction_log import open_log, predictions

START, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
NIGHTS = 3


@pytest.fixture
def rows() -> pd.DataFrame:
    return make_rows(90, seed=5).drop(columns=["limit", "grade"])


@pytest.fixture
def predict(tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))

    def run(*words: str, **options: object) -> Result:
        result = CliRunner().invoke(nbship, ["predict", *words, "--package", str(small_package)], **options)  # type: ignore[arg-type]
        assert result.exit_code == 0, result.output
        return result

    return run


def fill(url: str, rows: pd.DataFrame) -> None:
    engine = sa.create_engine(url)
    rows.assign(at=rows["at"].map(lambda at: at.isoformat())).to_sql("orders", engine, index=False, if_exists="replace")
    engine.dispose()


def nightly(predict: Callable[..., Result], way: str, night: pd.DataFrame) -> None:
    """Score one night's rows, with the same words every night."""
    text = night.to_csv(index=False)
    if way in ("table", "query"):
        fill("sqlite:///shop.db", night)
        output = ("sqlite:///shop.db", "--table", "scored") if way == "table" else (f"{len(list(Path().glob('*.parquet')))}.parquet",)  # fmt: skip
        predict("sqlite:///shop.db", *output, "--query", "SELECT * FROM orders ORDER BY at")
    elif way == "file to table":
        name = f"{night.index[0]}.csv"
        Path(name).write_text(text, encoding="utf-8")
        predict(name, "sqlite:///shop.db", "--table", "scored")
    else:
        predict("-", "-", input=text)


@pytest.mark.parametrize("way", ["table", "query", "file to table", "streams"])
def test_every_night_is_replayed_and_monitored(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path, way: str
) -> None:
    for number in range(NIGHTS):
        nightly(predict, way, rows.iloc[30 * number : 30 * number + 30])
    loaded = predictor.load(small_package)
    with open_log(tmp_path / "state" / "predictions.sqlite") as log:
        assert len(log.batches()) == NIGHTS
        frame = predictions(log, loaded.signature, start=START, end=END)
        assert frame.attrs["unreadable"] == []
        assert frame["probability"].tolist() == loaded.predict(rows).probability.tolist()
        for id in frame["prediction_id"][[0, 45, 89]]:
            assert replay(log, id, predictor=loaded).same


def test_the_same_rows_are_scored_once(tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame) -> None:
    fill("sqlite:///shop.db", rows)
    words = ("sqlite:///shop.db", "sqlite:///shop.db", "--table", "scored", "--query", "SELECT * FROM orders")
    assert [json.loads(predict(*words, "--json").stdout)["repeated"] for _ in range(2)] == [False, True]
    assert len(list((tmp_path / "state" / "batches").iterdir())) == 2
    engine = sa.create_engine("sqlite:///shop.db")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM scored")).scalar() == len(rows)
    engine.dispose()


@pytest.mark.parametrize("lost", [None, "DELETE FROM first", "DROP TABLE first"])
def test_predictions_of_an_earlier_run_are_written_and_reported_as_written(
    predict: Callable[..., Result], rows: pd.DataFrame, lost: str | None
) -> None:
    Path("in.csv").write_text(rows.to_csv(index=False), encoding="utf-8")
    url = "sqlite:///shop.db"
    assert "90 rows predicted by small" in predict("in.csv", url, "--table", "first").stdout
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if lost is not None:
            connection.execute(sa.text(lost))
    for table in ("first", "second", "first"):
        report = predict("in.csv", url, "--table", table).stdout
        assert f"written to '{table}'" in report
        assert "Nothing to do" not in report
        with engine.connect() as connection:
            assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar() == len(rows)
    engine.dispose()
    for number in range(2):
        result = predict("in.csv", "-")
        assert len(pd.read_csv(io.StringIO(result.stdout))) == len(rows)
        assert ("written to standard output" in result.stderr) == (number == 1)
        assert "Nothing to do" not in result.stderr
    predict("in.csv", "out.csv")
    assert "Nothing to do" in predict("in.csv", "out.csv").stdout


def test_only_the_user_reads_stored_inputs(tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame) -> None:
    predict("-", "out.csv", input=rows.to_csv(index=False))
    assert stat.S_IMODE((tmp_path / "state" / "batches").stat().st_mode) == 0o700


STREAMS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": lambda rows: rows.to_csv(index=False).encode(),
    "csv;": lambda rows: rows.to_csv(index=False, sep=";").encode("utf-16"),
    "csv.gz": lambda rows: gzip.compress(rows.to_csv(index=False).encode()),
    "jsonl": lambda rows: rows.to_json(orient="records", lines=True, date_format="iso").encode(),
    "jsonl.gz": lambda rows: gzip.compress(rows.to_json(orient="records", lines=True, date_format="iso").encode()),
    "json": lambda rows: rows.to_json(orient="records", date_format="iso", indent=1).encode(),
    "parquet": lambda rows: rows.to_parquet(index=False),
}


@pytest.mark.parametrize("output", [None, "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", STREAMS)
def test_from_standard_input_to_standard_output(
    predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path, kind: str, output: str | None
) -> None:
    words = () if output is None else ("--output-format", output)
    result = predict("-", "-", *words, input=STREAMS[kind](rows))
    made = io.BytesIO(result.stdout_bytes)
    format = output or {"csv;": "csv", "csv.gz": "csv", "json": "jsonl", "jsonl.gz": "jsonl"}.get(kind, kind)
    if format == "parquet":
        frame = pd.read_parquet(made)
    elif format == "csv":
        frame = pd.read_csv(made, dtype={"probability": str})
    else:
        frame = pd.DataFrame([json.loads(line) for line in made])
    expected = predictor.load(small_package).predict(rows).probability.tolist()
    assert frame["probability"].map(float).tolist() == pytest.approx(expected, abs=1e-12)
    assert "90 rows predicted by small" in result.stderr


def test_a_pipe_of_processes(tmp_path: Path, rows: pd.DataFrame, small_package: Path) -> None:
    rows.to_csv(tmp_path / "in.csv", index=False)
    command = [sys.executable, "-m", "nbship", "predict", "-", "--package", str(small_package)]
    with (tmp_path / "in.csv").open("rb") as given:
        done = subprocess.run(command, stdin=given, cwd=tmp_path, capture_output=True, check=True)
    assert len(pd.read_csv(io.BytesIO(done.stdout))) == len(rows)


CLOSED = [
    ("rows.csv", "out.csv", "<&-", ""), ("rows.csv", "out.csv", ">&-", ""), ("rows.csv", "out.csv", "2>&-", ""), ("rows.csv", "out.csv", "<&- >&- 2>&-", ""),
    ("-", "out.csv", "<&-", "Standard input is empty"), ("rows.csv", "-", ">&-", "Standard output is closed"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "output", "closed", "message"), CLOSED)
def test_standard_streams_may_be_closed(
    tmp_path: Path, rows: pd.DataFrame, small_package: Path, source: str, output: str, closed: str, message: str
) -> None:
    rows.to_csv(tmp_path / "rows.csv", index=False)
    command = f"{sys.executable} -m nbship predict {source} {output} --package {small_package} {closed}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert (done.returncode == 0) == (not message), done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == bool(message)
    assert (tmp_path / "out.csv").exists() == (not message)


def test_a_mistyped_url_creates_no_database(
    tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    for url in ("sqlite:///shop.bd", f"sqlite:///{tmp_path}/shop.bd", "sqlite+pysqlite:///shop.bd"):
        words = ["predict", url, "out.csv", "--query", "SELECT 1 AS x", "--package", str(small_package)]
        error = CliRunner().invoke(nbship, words).exception
        assert isinstance(error, NbshipError)
        assert f"There is no database '{url}'. Check the path." in str(error)
        assert not (tmp_path / "shop.bd").exists()


def test_the_result_of_a_query_is_stored_in_large_parts(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame
) -> None:
    fill("sqlite:///shop.db", rows)
    predict("sqlite:///shop.db", "out.parquet", "--query", "SELECT * FROM orders")
    (stored,) = (tmp_path / "state" / "batches").glob("*.input.parquet")
    assert pq.read_metadata(stored).num_row_groups == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("-", "out.csv", "--output-format", "csv"), "--output-format is the format of standard output"),
        (("-", "sqlite:///x.db"), "--table and a database URL"),
    ],
)
def test_wrong_usage(tmp_path: Path, small_package: Path, words: tuple[str, ...], reason: str) -> None:
    result = CliRunner().invoke(nbship, ["predict", *words, "--package", str(small_package)])
    assert result.exit_code == 2
    assert reason in result.output


FAILING: dict[str, tuple[str, str | bytes, str]] = {
    "column lacks": ("query", "SELECT at, line FROM orders", "lacks the required column 'size'"),
    "column unknown": ("query", "SELECT *, 1 AS more FROM orders", "has the unknown column 'more'"),
    "column lacks ": ("stream", b"at,line\n2024-01-01,a\n", "lacks the required column 'size'"),
    "column twice": ("stream", b"at,at\n1,1\n", "has the column 'at' twice"),
    "no rows": ("stream", b"at,line,size,weight\n", "has no rows"),
    "no table": ("stream", b"hello\n", "lacks the required column 'at'"),
    "two separators": ("stream", b"a,b;c\n1,2;3\n", "separator of 'standard input'"),
    "no encoding": ("stream", b"gr\xfc\xdfe,b\n1,2\n", "header of 'standard input'"),
    "cut off": ("stream", gzip.compress(b"at,line,size,weight\n")[:-9], "cannot be read"),
    "no JSON": ("stream", b'{"at": }\n', "no record"),
    "no Parquet": ("stream", b"PAR1", "cannot be read"),
}


@pytest.mark.parametrize("output", ["out.csv", "-"])
@pytest.mark.parametrize("reason", FAILING)
def test_a_run_that_fails_keeps_no_input(
    tmp_path: Path, small_package: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, reason: str, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    fill("sqlite:///shop.db", rows)
    way, given, message = FAILING[reason]
    words = ["sqlite:///shop.db", output, "--query", given] if way == "query" else ["-", output]
    result = CliRunner().invoke(
        nbship, ["predict", *map(str, words), "--package", str(small_package)], input=b"" if way == "query" else given
    )
    assert isinstance(result.exception, NbshipError), result.output
    assert message in str(result.exception)
    assert ("the result of the query" if way == "query" else "standard input") in str(result.exception)
    assert list((tmp_path / "state" / "batches").iterdir()) == []


def test_an_empty_stream_is_an_error(tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    result = CliRunner().invoke(nbship, ["predict", "-", "--package", str(small_package)], input=b"")
    assert "Standard input is empty" in str(result.exception)
    assert list((tmp_path / "state" / "batches").iterdir()) == []


URLS = [
    "://", "sqlite://", "sqlite:///:memory:", "sqlite:////no/such/folder/x.db", "foo://x/y", "http://x/y", "a b://x", "+://x", "%zz://",
    "postgresql://h:port/db", "postgresql+psycopg://[::1/db", "postgresql+nothere://h/db", "sqlite:///shop.db?timeout=soon",
    "sqlite:///shop.db?check_same_thread=x&isolation_level=nothing", "postgresql+psycopg://u@127.0.0.1:1/db?nothing=1",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("end", ["source", "output"])
def test_odd_urls_of_databases_are_one_sentence(
    tmp_path: Path, rows: pd.DataFrame, small_package: Path, monkeypatch: pytest.MonkeyPatch, url: str, end: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    rows.to_csv("in.csv", index=False)
    words = [url, "out.csv", "--query", "SELECT 1 AS x"] if end == "source" else ["in.csv", url, "--table", "scored"]
    result = CliRunner().invoke(nbship, ["predict", *words, "--package", str(small_package)])
    assert isinstance(result.exception, NbshipError), result.output
    assert not list(tmp_path.glob("out*"))
