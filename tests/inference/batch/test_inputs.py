"""Batch input as people have it: the same rows in every spelling of a file get the same predictions."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from packages import make_rows

from nbship import predictor
from nbship.cli import nbship


@pytest.fixture
def rows() -> pd.DataFrame:
    return make_rows(60, seed=5).drop(columns=["limit", "grade"])


@pytest.fixture
def predict(tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `nbship predict` in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))

    def run(*words: str | os.PathLike[str], **options: object) -> Result:
        command = ["predict", *map(str, words), "--package", str(small_package)]
        return CliRunner().invoke(nbship, command, **options)  # type: ignore[arg-type]

    return run


def as_csv(rows: pd.DataFrame, **options: object) -> str:
    return rows.to_csv(index=False, **options)  # type: ignore[call-overload, no-any-return]


def as_lines(rows: pd.DataFrame) -> str:
    return "".join(json.dumps(record) + "\n" for record in records(rows))


def records(rows: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {name: value.isoformat() if name == "at" else None if value != value else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def parquet(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    return buffer.getvalue()


SPELLINGS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "july.csv": lambda rows: as_csv(rows).encode(),
    "JULY.CSV": lambda rows: as_csv(rows).encode(),
    "july.txt": lambda rows: as_csv(rows).encode(),
    "july.csv.gz": lambda rows: gzip.compress(as_csv(rows).encode()),
    "members.csv.gz": lambda rows: b"".join(gzip.compress(line.encode()) for line in as_csv(rows).splitlines(True)),
    "july.CSV.GZ": lambda rows: gzip.compress(as_csv(rows).encode()),
    "july.csv.zst": lambda rows: zstd(as_csv(rows).encode()),
    "july.csv.bz2": lambda rows: bz2.compress(as_csv(rows).encode()),
    "july.jsonl": lambda rows: as_lines(rows).encode(),
    "july.ndjson": lambda rows: as_lines(rows).encode(),
    "july.jsonl.gz": lambda rows: gzip.compress(as_lines(rows).encode()),
    "july.ndjson.zst": lambda rows: zstd(as_lines(rows).encode()),
    "list.json": lambda rows: json.dumps(records(rows)).encode(),
    "indented.json": lambda rows: b"\xef\xbb\xbf" + json.dumps(records(rows), indent=2).encode(),
    "lines.json": lambda rows: as_lines(rows).encode(),
    "values.json": lambda rows: "\n".join(json.dumps(record, indent=1) for record in records(rows)).encode(),
    "list.json.gz": lambda rows: gzip.compress(json.dumps(records(rows)).encode()),
    "july.parquet": parquet,
    "JULY.PARQUET": parquet,
    "july.pq": parquet,
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_of_a_file_gets_the_same_predictions(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(SPELLINGS[name](rows))
    result = predict(name, "out.parquet")
    assert result.exit_code == 0, result.output
    output = pd.read_parquet(tmp_path / "out.parquet")
    assert output["probability"].tolist() == predictor.load(small_package).predict(rows).probability.tolist()
    assert output["line"].tolist() == rows["line"].tolist()


@pytest.mark.parametrize(
    ("name", "output"),
    [("july.CSV", "july_predictions.csv"), ("july.1.ndjson.gz", "july.1_predictions.jsonl")],
)
def test_the_default_output_is_plain(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, name: str, output: str
) -> None:
    content = as_csv(rows).encode() if "CSV" in name else gzip.compress(as_lines(rows).encode())
    (tmp_path / name).write_bytes(content)
    assert predict(name).exit_code == 0
    assert (tmp_path / output).is_file()


@pytest.mark.parametrize("name", ["out.CSV", "out.ndjson", "out.Parquet"])
def test_outputs_have_suffixes_in_any_case(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, name: str
) -> None:
    (tmp_path / "july.csv").write_text(as_csv(rows))
    assert predict("july.csv", name).exit_code == 0
    readers = {
        "out.CSV": pd.read_csv,
        "out.ndjson": lambda path: pd.read_json(path, lines=True),
        "out.Parquet": pd.read_parquet,
    }
    assert len(readers[name](tmp_path / name)) == 60


@pytest.mark.parametrize("name", ["july.csv.gz", "july.jsonl.gz"])
def test_a_file_cut_off_is_an_error(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, name: str
) -> None:
    (tmp_path / name).write_bytes(SPELLINGS[name](rows)[:-20])
    result = predict(name, "out.csv")
    assert "Truncated" in str(result.exception)
    assert not (tmp_path / "out.csv").exists()


def test_a_line_longer_than_the_limit_is_set_aside(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame
) -> None:
    first, *others = as_lines(rows).splitlines(keepends=True)
    with (tmp_path / "in.jsonl").open("w") as file:
        file.writelines([first, '{"line": "', "a" * 30_000_000, '"}\n', *others])
    result = predict("in.jsonl", "out.jsonl", "--json")
    assert (json.loads(result.stdout)["rows"], json.loads(result.stdout)["rejected"]) == (60, 1)
    rejected = pd.read_csv(tmp_path / "out.jsonl.rejected.csv")
    assert rejected["row"].tolist() == [1]
    assert rejected["reason"].tolist() == ["is longer than 10,000,000 bytes"]
    assert (tmp_path / "out.jsonl.rejected.csv").stat().st_size < 10_000


def test_a_file_of_one_endless_line_is_not_called_empty(tmp_path: Path, predict: Callable[..., Result]) -> None:
    (tmp_path / "in.jsonl").write_text('{"line": "' + "a" * 30_000_000 + '"}')
    assert "is longer than 10,000,000 bytes" in str(predict("in.jsonl", "out.csv").exception)


def test_records_of_a_list_are_set_aside_one_by_one(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame
) -> None:
    given: list[object] = [*records(rows)]
    given[7:7] = ["text", {"line": "a"}, {**records(rows)[0], "size": "]"}]
    (tmp_path / "in.json").write_text(json.dumps(given))
    result = predict("in.json", "out.jsonl", "--json")
    assert (json.loads(result.stdout)["rows"], json.loads(result.stdout)["rejected"]) == (60, 3)
    assert pd.read_csv(tmp_path / "out.jsonl.rejected.csv")["row"].tolist() == [7, 8, 9]


def test_a_list_longer_than_a_block_is_read_in_parts(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame
) -> None:
    many = [record for record in records(rows) for _ in range(400)]
    (tmp_path / "in.json").write_text(json.dumps(many, indent=1))
    assert (tmp_path / "in.json").stat().st_size > 2_000_000
    assert json.loads(predict("in.json", "out.jsonl", "--json").stdout)["rows"] == 24_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[{}, {]", "record 1 is not JSON"),
        ("[{} {}]", "no comma after record 0"),
        ("[{}", "does not end"),
        ("[{}] x", "does not end"),
        ("[{},]", "record 1 is not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_list_is_an_error(tmp_path: Path, predict: Callable[..., Result], text: str, reason: str) -> None:
    record = '{"at": "2024-01-01T00:00:00Z", "line": "a", "size": 3, "weight": null}'
    (tmp_path / "in.json").write_text(text.replace("{}", record))
    result = predict("in.json", "out.jsonl")
    assert reason in str(result.exception)
    assert "'in.json' cannot be read" in str(result.exception)
