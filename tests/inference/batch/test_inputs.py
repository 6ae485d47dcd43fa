"""Batch input as people have it: the same rows in every spelling of a file get the same predictions."""

from __future__ import annotations

import bz2
import encodings.aliases
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from packages import build_small, make_rows

from nbship import predictor
from nbship.cli import main, nbship
from nbship.errors import SourceError
from nbship.model import Field
from nbship.tabular import CsvOptions, Source, csv_blocks
from nbship.tabular.readers import read_chunks


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
MARKED = [
    name
    for name in SPELLINGS
    if "." not in name.partition(".")[2] and "parquet" not in name.lower() and name != "july.pq"
]
SPELLINGS |= {
    f"marked {name}": lambda rows, write=SPELLINGS[name]: b"\xef\xbb\xbf" + write(rows).removeprefix(b"\xef\xbb\xbf")  # type: ignore[misc]
    for name in MARKED
}
SPELLINGS["marked.jsonl.gz"] = lambda rows: gzip.compress(b"\xef\xbb\xbf" + as_lines(rows).encode())


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


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(
    ("name", "write"),
    [("in.jsonl", as_lines), ("in.csv", as_csv), ("one column.csv", lambda rows: as_csv(rows[["line"]]))],
)
@pytest.mark.parametrize("megabytes", [9, 12, 30])
def test_a_line_longer_than_the_limit_is_set_aside(
    tmp_path: Path, rows: pd.DataFrame, name: str, write: Callable[[pd.DataFrame], str], quote: str, megabytes: int
) -> None:
    is_csv = name.endswith(".csv")
    header = "line\n" if is_csv else ""
    lines = write(rows).splitlines(keepends=True)[is_csv:]
    value = "a" * megabytes * 1_000_000
    added = f"{quote}{value}{quote}\n" if is_csv else f'{{"line": "{value}"}}\n'
    if name == "in.csv":
        header, added = as_csv(rows[:0]), f"2024-01-01 03:00,{added[:-1]},6,9.6\n"
    (tmp_path / name).write_text("".join([header, *lines[:1], added, *lines[1:]]))
    (chunk,) = read_chunks(tmp_path / name, [Field("line", "string")], ignore_extra=True)
    assert len(chunk.index) == 61
    assert chunk.frame.drop(index=1, errors="ignore")["line"].tolist() == rows["line"].tolist()
    if megabytes < 10:
        assert chunk.frame["line"][1] == value
    else:
        ((row, reason),) = [(failure.row, failure.reason) for failure in chunk.failures]
        assert row == 1
        assert reason.startswith("is longer than 10,000,000 ")
        assert len(str(chunk.raw.loc[1].to_dict())) < 10_000


@pytest.mark.parametrize("end", ["", '"', "\nb"])
def test_a_run_that_ends_early_ends_with_a_sentence(
    tmp_path: Path, rows: pd.DataFrame, small_package: Path, end: str
) -> None:
    header, *lines = as_csv(rows).splitlines(keepends=True)
    unclosed = '2024-01-01 03:00,"' + "a" * 40_000_000
    (tmp_path / "in.csv").write_text("".join([header, *lines, unclosed, end, ",1,2\n", *lines]))
    command = [sys.executable, "-m", "nbship", "predict", "in.csv", "out.csv", "--package", str(small_package)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if end == '"':
        assert (done.returncode, done.stdout.count("1 row rejected")) == (0, 1), done.stderr
    else:
        assert done.returncode == 1
        assert "quote before its end is not closed" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("name", "write"), [("in.jsonl", as_lines), ("in.csv", as_csv)])
def test_long_values_of_rejected_rows_are_forgotten(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path, name: str, write: Callable[[pd.DataFrame], str]
) -> None:  # fmt: skip
    long = "x" * 200_000
    text = write(rows.assign(line=rows["line"].where(rows.index > 1, long)))
    if name == "in.csv":
        text += f'2024-01-01 03:00,{long}\n"{long}\n{long}"\n'
    (tmp_path / name).write_text(text)
    assert predict("-", "-", input=text).exit_code == 0
    command = ["log", "forget", "--field", "line", "--value", long, "--package", str(small_package), "--json"]
    forgotten = CliRunner().invoke(nbship, command, catch_exceptions=False)
    assert json.loads(forgotten.stdout)["forgotten"] >= 2
    (rejected,) = (tmp_path / "state" / "batches").glob("*.rejected.csv")
    assert f"{long}," not in rejected.read_text()
    output = predict(name, "out.csv", "--json")
    assert json.loads(output.stdout)["rejected"] == (4 if name == "in.csv" else 2)


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv", "in.json"])
def test_a_file_of_one_endless_line_is_not_called_empty(
    tmp_path: Path, predict: Callable[..., Result], name: str
) -> None:
    (tmp_path / name).write_text('{"line": "' + "a" * 30_000_000 + '"}')
    found = str(predict(name, "out.csv").exception)
    assert "longer than" in found
    assert "empty" not in found


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [("in.json", "[]", "record"), ("in.json", "{}", "record"), ("in.json", "", "record"), ("in.jsonl", "", "record"), ("in.csv", "", "column names")],
)  # fmt: skip
def test_an_empty_file_is_named_by_its_format(
    tmp_path: Path, predict: Callable[..., Result], name: str, text: str, remedy: str
) -> None:
    (tmp_path / name).write_text(text)
    found = str(predict(name, "out.csv").exception)
    assert f"'{name}' is empty" in found
    assert remedy in found


def test_white_space_between_records_is_passed(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame
) -> None:
    space = " \t\r\n" * 1_000_000
    first = as_lines(rows).splitlines()[0]
    (tmp_path / "in.json").write_text(space.join(["", "[", first, "]", ""]))
    assert json.loads(predict("in.json", "out.csv", "--json").stdout)["rows"] == 1


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


DIALECTS: dict[str, tuple[Callable[[pd.DataFrame], bytes], tuple[str, ...]]] = {
    "semicolon": (lambda rows: as_csv(rows, sep=";").encode(), ()),
    "tab": (lambda rows: as_csv(rows, sep="\t").encode(), ()),
    "bar": (lambda rows: as_csv(rows, sep="|").encode(), ()),
    "declared": (lambda rows: as_csv(rows, sep="^").encode(), ("--separator", "^")),
    "declared tab": (lambda rows: as_csv(rows, sep="\t").encode(), ("--separator", "tab")),
    "line of Excel": (lambda rows: b"sep=;\r\n" + as_csv(rows, sep=";", lineterminator="\r\n").encode(), ()),
    "mark": (lambda rows: as_csv(rows).encode("utf-8-sig"), ()),
    "utf-16": (lambda rows: as_csv(rows, sep="\t").encode("utf-16"), ()),
    "latin-1": (lambda rows: as_csv(rows).encode("latin-1"), ("--encoding", "latin-1")),
    "cp1252": (lambda rows: as_csv(rows, sep=";").encode("cp1252"), ("--encoding", "cp1252")),
    "null": (lambda rows: as_csv(rows, na_rep="NA").encode(), ("--null", "NA")),
    "nulls": (lambda rows: as_csv(rows, na_rep=" \\N").encode(), ("--null", "NA", "--null", "\\N")),
    "old Mac": (lambda rows: as_csv(rows, lineterminator="\r").encode(), ()),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_of_csv_gets_the_same_predictions(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path, dialect: str
) -> None:
    write, words = DIALECTS[dialect]
    (tmp_path / "in.csv").write_bytes(write(rows.assign(note="grüße")))
    result = predict("in.csv", "out.csv", "--ignore-extra", *words)
    assert result.exit_code == 0, result.output
    output = pd.read_csv(tmp_path / "out.csv", dtype={"probability": str})
    expected = predictor.load(small_package).predict(rows)
    assert output["probability"].map(float).tolist() == expected.probability.tolist()
    id = output["prediction_id"][17]
    replayed = CliRunner().invoke(nbship, ["replay", id, "--package", str(small_package)])
    assert replayed.exit_code == 0, replayed.output


def test_what_is_declared_decides_the_id_of_a_run(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame
) -> None:
    (tmp_path / "in.csv").write_text(as_csv(rows))
    ids = [
        json.loads(predict("in.csv", f"{number}.csv", "--json", *words).stdout)["id"]
        for number, words in enumerate([(), ("--null", "NA"), ("--null", "NB"), ()])
    ]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("words", [("--separator", ";"), ("--encoding", "latin-1"), ("--null", "NA")])
def test_what_is_declared_for_other_formats_is_an_error(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, kind: str, words: tuple[str, str]
) -> None:
    (tmp_path / f"in.{kind}").write_bytes(parquet(rows) if kind == "parquet" else as_lines(rows).encode())
    assert "is not CSV" in str(predict(f"in.{kind}", "out.csv", *words).exception)


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("a,b;c\n1,2;3\n", (), "may be ',' or ';'"),
        ("größe;b\n1;2\n", (), "is not UTF-8"),
        ("a;b\n", ("--separator", ";;"), "separator ';;' is not supported"),
        ("a;b\n", ("--encoding", "latin1x"), "encoding 'latin1x' is not supported"),
    ],
)
def test_a_dialect_that_is_not_certain_is_asked_for(
    tmp_path: Path, predict: Callable[..., Result], text: str, words: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "in.csv").write_bytes(text.encode("latin-1"))
    assert reason in str(predict("in.csv", "out.csv", *words).exception)


# Those of Python's codecs that are encodings of bytes or strings, or have error handling of their own.
NO_ENCODINGS = ["base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "idna", "punycode", "undefined"]  # fmt: skip
CODECS = {*encodings.aliases.aliases.values(), *NO_ENCODINGS, "utf_8_sig", "unicode_escape", "hex", "rot13", "zip"}


@pytest.mark.parametrize("encoding", sorted(CODECS - {"mbcs", "oem"}))
def test_every_codec_of_python_is_an_encoding_or_not_supported(
    tmp_path: Path, rows: pd.DataFrame, encoding: str
) -> None:
    path, text = tmp_path / "in.csv", as_csv(rows, lineterminator="\n")
    if encoding in (*NO_ENCODINGS, "hex", "rot13", "zip"):
        path.write_text(text)
        with pytest.raises(SourceError, match=f"The encoding '{encoding}' is not supported. Give one such as latin-1"):
            Source(path, CsvOptions(encoding=encoding))
    else:
        path.write_bytes(text.encode(encoding))
        (chunk,) = read_chunks(Source(path, CsvOptions(encoding=encoding)), [Field("line", "string")])
        assert chunk.frame["line"].tolist() == rows["line"].tolist()


def test_bad_rows_of_csv_are_set_aside_with_reasons(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path
) -> None:
    header, *lines = as_csv(rows).splitlines()
    bad = [
        b"2024-01-01 00:00,a",
        b'"2024-01-01, or so",a,1,2,3,"4, 5"',
        b"2024-01-01 00:00,\xe4,1,2",
        b"2024-01-01 00:00,\xe4,1,2,3",
        b"x",
    ]
    given = [line.encode() for line in lines]
    given[3:3], given[20:20] = bad[:2], bad[2:4]
    (tmp_path / "in.csv").write_bytes(b"\n".join([header.encode(), *given, bad[4], b""]))
    result = predict("in.csv", "out.csv", "--json")
    assert (json.loads(result.stdout)["rows"], json.loads(result.stdout)["rejected"]) == (60, 5)
    rejected = pd.read_csv(tmp_path / "out.csv.rejected.csv")
    assert rejected["row"].tolist() == [3, 4, 20, 21, 64]
    for reason, expected in zip(
        rejected["reason"], ["2 values, and the header 4 columns", "6 values", "not in UTF-8", "not in UTF-8", "1 value,"], strict=True,
    ):  # fmt: skip
        assert expected in reason
    assert rejected["at"].tolist()[1] == "2024-01-01, or so"
    assert rejected["weight"].tolist()[1] == "2,3,4, 5"
    output = pd.read_csv(tmp_path / "out.csv")
    numbers = output["prediction_id"].str.rpartition("-")[2].astype(int).tolist()
    assert numbers == [number for number in range(64) if number not in (3, 4, 20, 21)]
    assert output["line"].tolist() == rows["line"].tolist()


def test_ragged_rows_keep_their_numbers_across_blocks_and_chunks(
    tmp_path: Path, small_package: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "_BLOCK_BYTES", 300)
    header, *lines = as_csv(rows).splitlines()
    wrong = {0, 1, 7, 8, 9, 30, 66, 67, 68}
    valid = iter(lines)
    path = tmp_path / "in.csv"
    path.write_text("\n".join([header, *("x" if number in wrong else next(valid) for number in range(69))]))
    fields = predictor.load(small_package).signature.inputs
    for chunk_rows in (1, 7, 1000):
        for start in (0, 1, 8, 31, 67):
            chunks = list(read_chunks(path, fields, rows=chunk_rows, start=start))
            assert [number for chunk in chunks for number in chunk.index] == list(range(start, 69))
            assert {failure.row for chunk in chunks for failure in chunk.failures} == {n for n in wrong if n >= start}
            lines_read = [line for chunk in chunks for line in chunk.frame["size"].tolist()]
            assert lines_read == rows["size"].tolist()[len([n for n in range(start) if n not in wrong]) :]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("line", ['2024-01-01 00:00,"a,1,2', '2024-01-01 00:00,a,1,"2'])
def test_a_quote_that_is_not_closed_swallows_no_rows_in_silence(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, line: str, end: str
) -> None:
    header, *lines = as_csv(rows).splitlines()
    (tmp_path / "in.csv").write_text("\n".join([header, *lines[:5], line, *lines[5:]]) + end)
    assert "quote before its end is not closed" in str(predict("in.csv", "out.csv").exception)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_values_with_line_breaks_at_the_end_of_a_file(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, end: str
) -> None:
    (tmp_path / "in.csv").write_text(as_csv(rows.assign(note='two\nlines, "quoted"\n')).rstrip("\n") + end)
    assert json.loads(predict("in.csv", "out.csv", "--ignore-extra", "--json").stdout)["rows"] == 60


def test_labels_are_declared_alike(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path
) -> None:
    (tmp_path / "in.csv").write_text(as_csv(rows))
    predict("in.csv", "out.csv")
    labels = rows[["at", "line"]].assign(label=1, note="größe")
    (tmp_path / "labels.CSV").write_bytes(as_csv(labels, sep=";").encode("latin-1"))
    command = ["labels", "labels.CSV", "--encoding", "latin-1", "--json", "--package", str(small_package)]
    result = CliRunner().invoke(nbship, command)
    assert json.loads(result.stdout)["matched"] == 60


def split(rows: pd.DataFrame, folder: Path, write: Callable[[pd.DataFrame], bytes], suffix: str) -> None:
    """Write rows to four files, as Spark does, with its other files beside them."""
    folder.mkdir()
    parts = [rows.iloc[:20], rows.iloc[20:20], rows.iloc[20:50], rows.iloc[50:]]
    for number, part in enumerate(parts):
        (folder / f"part-{number:05d}{suffix}").write_bytes(write(part[list(rows)[::-1]] if number == 2 else part))
    for name in ("_SUCCESS", "._SUCCESS.crc", f".part-00000{suffix}.crc", f"_part-9{suffix}"):
        (folder / name).write_bytes(b"\0")


MANY: dict[str, Callable[[pd.DataFrame], bytes]] = {
    ".snappy.parquet": parquet,
    ".csv": lambda rows: as_csv(rows).encode(),
    ".csv.gz": lambda rows: gzip.compress(as_csv(rows, sep=";").encode()),
}


@pytest.mark.parametrize("source", ["july", "july/*", "july/part-*"])
@pytest.mark.parametrize("suffix", [".snappy.parquet", ".csv", ".csv.gz"])
def test_a_folder_or_a_pattern_is_one_table(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path, suffix: str, source: str
) -> None:
    split(rows, tmp_path / "july", MANY[suffix], suffix)
    result = predict(source, "out.parquet")
    assert result.exit_code == 0, result.output
    output = pd.read_parquet(tmp_path / "out.parquet")
    assert output["probability"].tolist() == predictor.load(small_package).predict(rows).probability.tolist()
    assert output["prediction_id"].str.rpartition("-")[2].astype(int).tolist() == list(range(60))
    command = ["replay", output["prediction_id"][57], "--package", str(small_package)]
    assert CliRunner().invoke(nbship, command).exit_code == 0
    assert "Nothing to do" in predict(source, "out.parquet").output
    (tmp_path / "july" / f"part-00004{suffix}").write_bytes(MANY[suffix](rows.head(2)))
    assert "was changed" in str(CliRunner().invoke(nbship, command).exception)
    assert json.loads(predict(source, "again.parquet", "--json").stdout)["rows"] == 62


def test_parts_of_several_parquet_files_resume(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, small_package: Path
) -> None:
    split(rows, tmp_path / "july", parquet, ".parquet")
    fields = predictor.load(small_package).signature.inputs
    for start, stop in ((0, 60), (19, 21), (20, 50), (49, 60), (5, 55)):
        chunks = list(read_chunks(Source(tmp_path / "july"), fields, rows=7, start=start, stop=stop))
        assert [row for chunk in chunks for row in chunk.index] == list(range(start, stop))
        assert [size for chunk in chunks for size in chunk.frame["size"]] == rows["size"].tolist()[start:stop]


def test_a_pipe_with_a_name_is_for_standard_input(tmp_path: Path, predict: Callable[..., Result]) -> None:
    os.mkfifo(tmp_path / "in.csv")
    assert "'in.csv' is neither a file nor a folder" in str(predict("in.csv", "out.csv").exception)


def test_files_of_a_folder_that_do_not_fit_together(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame
) -> None:
    (tmp_path / "july").mkdir()
    assert "holds no data files" in str(predict("july", "out.csv").exception)
    (tmp_path / "july" / "a.parquet").write_bytes(parquet(rows))
    (tmp_path / "july" / "b.csv").write_text(as_csv(rows))
    assert "different formats" in str(predict("july", "out.csv").exception)
    (tmp_path / "july" / "b.csv").unlink()
    (tmp_path / "july" / "b.parquet").write_bytes(parquet(rows.rename(columns={"size": "sizes"})))
    assert "have different columns: 'size'" in str(predict("july", "out.csv").exception)
    assert "holds no data files" in str(predict("august/*.parquet", "out.csv").exception)
    assert "Pass OUTPUT" in predict("july").output


@pytest.mark.parametrize(
    ("wrong", "words", "code"),
    [(6, (), 0), (7, (), 1), (1, ("--max-rejected", "0"), 1), (0, ("--max-rejected", "0"), 0), (59, ("--max-rejected", "1"), 0)],
)  # fmt: skip
def test_too_many_rejected_rows_fail_the_command(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, wrong: int, words: tuple[str, ...], code: int
) -> None:
    (tmp_path / "in.csv").write_text(as_csv(rows.assign(size=rows["size"].where(rows.index >= wrong, 77))))
    # A repeated run has the same exit code.
    for repeated in (False, True):
        result = predict("in.csv", "out.csv", "--json", *words)
        assert json.loads(result.stdout)["rejected"] == wrong
        assert json.loads(result.stdout)["repeated"] is repeated
        assert (result.exception is not None) == bool(code)
        if code:
            assert f"{wrong} of 60 rows were rejected" in str(result.exception)
    assert len(pd.read_csv(tmp_path / "out.csv")) == 60 - wrong


@pytest.mark.parametrize(
    "words",
    [
        ("", "out.csv"), ("in.csv", ""), ("in.csv", "sqlite:///shop.db", "--table", ""), ("sqlite:///shop.db", "out.csv", "--query", ""),
        ("in.csv", "out.csv", "--encoding", ""), ("in.csv", "out.csv", "--separator", ""), ("in.csv", "out.csv", "--model", ""),
    ],
)  # fmt: skip
def test_a_variable_that_was_not_set_is_wrong_usage(
    tmp_path: Path, predict: Callable[..., Result], rows: pd.DataFrame, words: tuple[str, ...]
) -> None:
    (tmp_path / "in.csv").write_text(as_csv(rows))
    result = predict(*words)
    assert result.exit_code == 2
    assert "The value is empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("share", ["-0.1", "1.5", "many", "nan", "inf", "-nan"])
def test_an_invalid_share_is_wrong_usage(predict: Callable[..., Result], share: str) -> None:
    assert predict("in.csv", "out.csv", "--max-rejected", share).exit_code == 2


def test_too_many_rejected_rows_exit_with_1(
    tmp_path: Path, rows: pd.DataFrame, small_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    (tmp_path / "in.csv").write_text(as_csv(rows.assign(size=rows["size"].where(rows.index >= 30, 77))))
    with pytest.raises(SystemExit) as caught:
        main(["predict", "in.csv", "out.csv", "--package", str(small_package)])
    assert caught.value.code == 1


def test_every_format_takes_booleans_with_nulls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    package = build_small(tmp_path, fields=[Field("fragile", "bool", nullable=True, example=True)])
    rows = make_rows(6, seed=5).drop(columns=["limit", "grade"])
    rows["fragile"] = pd.Series([True, False, None] * 2, dtype=object)
    rows.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text(as_csv(rows))
    (tmp_path / "rows.jsonl").write_text(as_lines(rows))
    for name in ("rows.parquet", "rows.csv", "rows.jsonl"):
        target = tmp_path / f"{name}.parquet"
        result = CliRunner().invoke(nbship, ["predict", str(tmp_path / name), str(target), "--package", str(package)])
        assert result.exit_code == 0, result.output
        assert len(pd.read_parquet(target)) == 6, name
