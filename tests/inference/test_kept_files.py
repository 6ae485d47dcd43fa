"""What nbship keeps of personal data: nothing in clear, nothing readable by others, and nothing that it cannot forget."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from packages import build_small, make_rows
from services import postgres_url

from nbship import cli, predictor
from nbship.errors import LogError
from nbship.inference import find_deployment, predict_file, replay
from nbship.model import Field
from nbship.prediction_log import Label, batch_keys, predictions, pseudonym
from nbship.serving import KeyFile

NAMES = ["Ann Canary", "Ben Other", "Cleo Other", "Ann Canary", "Dora Other"]
CARDS = [f"4111-{number}" for number in range(5)]
HEIGHTS = [1.5, 1.75, 2.0, 1.25, 1.0]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fields = [
        Field("name", "string", pii=True, example="nobody"),
        Field("card", "string", pii="drop", example="none"),
        Field("height", "float", pii=True, example=1.0),
    ]
    return build_small(tmp_path_factory.mktemp("models"), name="personal", fields=fields)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a database with the table `people`; the working directory is empty, and no file is private by itself."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "work" / "state"))
    before = os.umask(0)
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    rows = make_rows(5, seed=3).assign(name=NAMES, card=CARDS, height=HEIGHTS)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        rows.assign(at=rows["at"].map(lambda at: at.isoformat())).to_sql("people", connection, index=False)
    try:
        yield url
    finally:
        os.umask(before)


def run(*words: str) -> str:
    result = CliRunner().invoke(cli.nbship, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def predict(shop: str, package: Path, *target: str, query: str = "SELECT * FROM people") -> dict:
    return json.loads(run("predict", shop, *target, "--query", query, "--package", str(package), "--json"))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def holding(folder: Path, text: str) -> list[str]:
    found = []
    for path in files(folder):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += pq.read_table(path).to_pandas().to_csv().encode()
        if text.encode() in content:
            found.append(path.name)
    return found


def readable_by_others(folder: Path) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in files(folder)
        if path.stat().st_mode & 0o077
        and not any(parent.stat().st_mode & 0o077 == 0 for parent in path.parents if folder in parent.parents)
    ]


def test_the_kept_input_of_a_query_has_no_personal_values(shop: str, package: Path, tmp_path: Path) -> None:
    done = predict(shop, package, "out.parquet")
    assert done["rows"] == 5
    state = Path("state").absolute()
    for text in (*NAMES, *CARDS):
        assert holding(tmp_path / "work", text) == []
    assert readable_by_others(state) == []
    assert [path.stat().st_mode & 0o077 for path in files(state)] == [0] * len(files(state))
    with find_deployment(package).open_log() as log:
        loaded = predictor.load(package)
        (batch,) = log.batches()
        frame = predictions(log, loaded.signature, start=batch.first_event, end=batch.last_event + timedelta(days=1))
        assert frame["name"].tolist() == [pseudonym(name, log.salt) for name in NAMES]
        assert frame["height"].isna().all()
        assert frame["size"].tolist() == make_rows(5, seed=3)["size"].tolist()
        with pytest.raises(LogError, match=r"cannot be replayed: its input 'name' is personal"):
            replay(log, f"{done['id']}-0", predictor=loaded)
    assert predict(shop, package, "out.parquet")["repeated"]


def test_a_query_without_personal_fields_can_be_replayed(shop: str, small_package: Path) -> None:
    query = "SELECT at, line, size, weight FROM people"
    done = predict(shop, small_package, "out.parquet", query=query)
    with find_deployment(small_package).open_log() as log:
        for number in range(5):
            assert replay(log, f"{done['id']}-{number}", predictor=predictor.load(small_package)).same
    assert predict(shop, small_package, "out.parquet", query=query)["repeated"]


@pytest.mark.parametrize(("field", "value", "rows"), [("name", "Ann Canary", 2), ("height", "2", 1)])
def test_forget_deletes_rows_of_batches(shop: str, package: Path, field: str, value: str, rows: int) -> None:
    done = predict(shop, package, shop, "--table", "scored")
    with find_deployment(package).open_log() as log:
        theirs = pseudonym(value if field == "name" else 2.0, log.salt)
        log.append(Label("1", log.batches()[0].at, prediction_id=f"{done['id']}-1"))
    state = Path("state").absolute()
    assert holding(state, theirs) == [f"{done['id']}.input.parquet"]
    forgotten = json.loads(
        run("log", "forget", "--field", field, "--value", value, "--package", str(package), "--json")
    )
    assert forgotten == {"forgotten": rows}
    assert holding(state, theirs) == []
    assert readable_by_others(state) == []
    again = json.loads(run("log", "forget", "--field", field, "--value", value, "--package", str(package), "--json"))
    assert again == {"forgotten": 0}
    with find_deployment(package).open_log() as log:
        (batch,) = log.batches()
        frame = predictions(
            log, predictor.load(package).signature, start=batch.first_event, end=batch.last_event + timedelta(days=1)
        )
        numbers = [
            number
            for number in range(5)
            if (NAMES[number] if field == "name" else str(HEIGHTS[number])) not in (value, "2.0")
        ]
        assert frame.attrs["unreadable"] == []
        assert frame["prediction_id"].tolist() == [f"{done['id']}-{number}" for number in numbers]
        assert pq.read_table(batch.output_path).num_rows == 5 - rows


def test_forget_finds_rejected_rows_of_a_query(shop: str, package: Path) -> None:
    query = "SELECT *, CASE WHEN name = 'Ben Other' OR card = '4111-0' THEN -1 ELSE size END AS size FROM people"
    columns = "at, line, weight, name, card, height"
    query = query.replace("*,", f"{columns},")
    done = predict(shop, package, shop, "--table", "scored", "--max-rejected", "1", query=query)
    assert done["rejected"] == 2
    state = Path("state").absolute()
    with find_deployment(package).open_log() as log:
        ann, ben = (pseudonym(name, log.salt) for name in ("Ann Canary", "Ben Other"))
    rejected = f"{done['id']}.parquet.rejected.csv"
    assert rejected in holding(state, ann)
    assert readable_by_others(state) == []
    run("log", "forget", "--field", "name", "--value", "Ann Canary", "--package", str(package))
    assert holding(state, ann) == []
    assert rejected in holding(state, ben)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a personal key, a field that is not stored, and another personal field."""
    fields = [
        Field("person", "string", key=True, pii=True, example="nobody"),
        Field("mail", "string", pii="drop", example="none"),
        Field("height", "float", pii=True, example=1.0),
    ]
    return build_small(tmp_path_factory.mktemp("models"), name="keyed", fields=fields)


def canary_rows(suffix: str) -> bytes:
    """Six rows as a file: the second is out of range, and in text, the fourth cannot be read as a row."""
    rows = make_rows(6, seed=3).drop(columns=["limit", "grade"]).assign(size=[7, 99, 4, 7, 5, 2])
    rows = rows.assign(person=[f"CANARY-p{n}" for n in range(6)], mail=[f"CANARY-m{n}" for n in range(6)], height=1.5)
    rows["at"] = rows["at"].map(lambda at: at.isoformat())
    if suffix == ".parquet":
        return rows.to_parquet(index=False)
    text = rows.to_csv(index=False) if suffix == ".csv" else rows.to_json(orient="records", lines=True)
    lines = text.splitlines()
    number = 4 if suffix == ".csv" else 3
    lines[number] = f"CANARY-p9,{lines[number]}"
    return "\n".join([*lines, ""]).encode()


@pytest.mark.parametrize("target", ["table", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("given", ["query", "stream.csv", "stream.jsonl", "stream.parquet", "file.csv", "file.jsonl"])
def test_nothing_personal_is_kept_in_clear_and_everything_is_forgotten(
    shop: str, keyed: Path, given: str, target: str, tmp_path: Path
) -> None:
    way, _, suffix = given.partition(".")
    content = canary_rows(f".{suffix or 'parquet'}")
    words, stream = {
        "query": ([shop, "--query", "SELECT * FROM canaries"], None),
        "stream": (["-"], content),
        "file": ([str(tmp_path / f"in.{suffix}")], None),
    }[way]
    (tmp_path / f"in.{suffix}").write_bytes(content)
    if way == "query":
        with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
            pd.read_parquet(io.BytesIO(content)).to_sql("canaries", connection, index=False)
    output = [shop, "--table", "scored"] if target == "table" else ["-", "--output-format", target]
    words = ["predict", words[0], *output, *words[1:], "--max-rejected", "1", "--package", str(keyed)]
    state, accepted = Path("state").absolute(), 5 if suffix in ("", "parquet") else 4
    for _ in range(2):
        result = CliRunner().invoke(cli.nbship, words, input=stream, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        # The caller gets the keys, and nbship keeps their pseudonyms.
        if target == "table":
            with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
                people = pd.read_sql("SELECT person FROM scored ORDER BY person", connection)["person"].tolist()
            assert people[0] == "CANARY-p0"
            assert len(people) == accepted
        else:
            delivered = result.stdout_bytes
            rows = pd.read_parquet(io.BytesIO(delivered)).to_csv() if target == "parquet" else delivered.decode()
            assert rows.count("CANARY-p") == accepted
        assert holding(state, "CANARY") == []
        assert readable_by_others(state) == []
    with find_deployment(keyed).open_log() as log:
        (batch,) = log.batches()
        assert batch.rows == accepted
        at = make_rows(6, seed=3).iloc[0]
        keys = {
            "at": at["at"].tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "line": at["line"],
            "person": pseudonym("CANARY-p0", log.salt),
        }
        text = json.dumps(keys, separators=(",", ":"))
        assert batch_keys(log, predictor.load(keyed).signature, [text]) == {text}
        assert [path.parent.name for path in state.rglob("*.npy")] == ["batch_keys"]
        assert [path.stat().st_mode & 0o077 for path in state.rglob("*.npy")] == [0]
        theirs = [pseudonym(f"CANARY-p{number}", log.salt) for number in (0, 1)]
    assert all(holding(state, each) for each in theirs)
    for number in (0, 1):
        run("log", "forget", "--field", "person", "--value", f"CANARY-p{number}", "--package", str(keyed))
    assert [holding(state, each) for each in theirs] == [[], []]
    assert list(state.rglob("*.npy")) == []
    run("log", "prune", "--before", "2999-01-01", "--package", str(keyed))
    assert files(state / "batches") == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_prune_deletes_the_rejected_rows_of_a_run_without_a_valid_row(
    shop: str, keyed: Path, small_package: Path, suffix: str
) -> None:
    for package in (keyed, small_package):
        rows = make_rows(3).drop(columns=["limit", "grade"]).assign(size=99)
        if package == keyed:
            rows = rows.assign(person="CANARY", mail="CANARY", height=1.0)
        rows["at"] = rows["at"].map(lambda at: at.isoformat())
        content = {
            ".csv": lambda rows=rows: rows.to_csv(index=False).encode(),
            ".jsonl": lambda rows=rows: rows.to_json(orient="records", lines=True).encode(),
            ".parquet": lambda rows=rows: rows.to_parquet(index=False),
        }[suffix]()
        words = ["predict", "-", "-", "--package", str(package)]
        assert CliRunner().invoke(cli.nbship, words, input=content).exit_code != 0
    state = Path("state").absolute()
    assert len(list(state.glob("batches/*.rejected.csv"))) == 2
    assert holding(state, "CANARY") == []
    run("log", "prune", "--before", "2001-01-01", "--package", str(keyed))
    assert len(list(state.glob("batches/*.rejected.csv"))) == 2
    run("log", "prune", "--before", "2999-01-01", "--package", str(keyed))
    assert files(state / "batches") == []


@pytest.mark.parametrize("way", ["stream", "file"])
def test_forget_finds_the_key_of_a_person_that_is_not_marked(
    shop: str, small_package: Path, tmp_path: Path, way: str
) -> None:
    rows = make_rows(6, seed=3).drop(columns=["limit", "grade"])
    (tmp_path / "in.csv").write_text(rows.to_csv(index=False))
    source = "-" if way == "stream" else str(tmp_path / "in.csv")
    words = ["predict", source, "-", "--output-format", "csv", "--package", str(small_package)]
    content = (tmp_path / "in.csv").read_bytes()
    assert CliRunner().invoke(cli.nbship, words, input=content, catch_exceptions=False).exit_code == 0
    at = rows["at"].iloc[2].isoformat()
    words = ["log", "forget", "--field", "at", "--value", at, "--package", str(small_package), "--json"]
    assert [json.loads(run(*words))["forgotten"] for _ in range(2)] == [1, 0]
    (output,) = Path("state/batches").glob("b*.csv")
    assert len(output.read_text().splitlines()) == 6


def test_prune_deletes_the_files_of_its_batches(shop: str, package: Path) -> None:
    predict(shop, package, "out.parquet")
    predict(shop, package, shop, "--table", "scored", query="SELECT * FROM people WHERE size > 0 AND card <> '4111-4'")
    old = Path("state/batches/.new-0123456789abcdef")
    old.mkdir()
    (old / "input.parquet").write_text("left by a killed process")
    os.utime(old, (0, time.time() - 100_000))
    assert len(files(Path("state/batches"))) == 4
    run("log", "prune", "--before", "2001-01-01", "--package", str(package))
    assert len(files(Path("state/batches"))) == 3
    run("log", "prune", "--before", "2999-01-01", "--package", str(package))
    assert files(Path("state/batches")) == []
    assert Path("out.parquet").is_file()


def test_every_file_in_the_state_folder_is_private(shop: str, package: Path) -> None:
    predict(shop, package, shop, "--table", "scored")
    KeyFile(Path("state/keys.json")).add("shop", ["predict"])
    with postgres_url() as url:
        os.environ["NBSHIP_LOG__URL"], os.environ["NBSHIP_LOG__WHEN_DOWN"] = url, "spool"
        try:
            make_rows(3).assign(name="Ann", card="1", height=1.0).to_parquet("in.parquet")
            run("predict", "in.parquet", "out.parquet", "--package", str(package))
        finally:
            del os.environ["NBSHIP_LOG__URL"], os.environ["NBSHIP_LOG__WHEN_DOWN"]
    found = files(Path("state").absolute())
    assert {path.suffix for path in found} >= {".json", ".sqlite", ".parquet"}
    assert [str(path) for path in found if path.stat().st_mode & 0o077] == []


def test_inputs_that_earlier_versions_kept_beside_outputs_are_forgotten(shop: str, package: Path) -> None:
    source, target = Path("out.parquet.input.parquet").absolute(), Path("out.parquet").absolute()
    make_rows(5, seed=3).assign(name=NAMES, card=CARDS, height=HEIGHTS).to_parquet(source)
    with find_deployment(package).open_log() as log:
        predict_file(predictor.load(package), log, source=source, target=target)
    run("log", "forget", "--field", "card", "--value", "4111-2", "--package", str(package))
    assert holding(source.parent, "4111-2") == []
    run("log", "forget", "--field", "name", "--value", "Ann Canary", "--package", str(package))
    assert holding(source.parent, "Canary") == []
    assert holding(source.parent, "Dora") == [source.name]
    run("log", "prune", "--before", "2999-01-01", "--package", str(package))
    assert not source.exists()
    assert target.exists()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("output", ["csv", "jsonl", "parquet"])
def test_streams_are_forgotten(shop: str, small_package: Path, kind: str, output: str) -> None:
    rows = make_rows(6, seed=3).drop(columns=["limit", "grade"]).assign(size=[7, 3, 40, 7, 5, 2])
    stream = {
        "csv": lambda: rows.to_csv(index=False).encode(),
        "jsonl": lambda: rows.to_json(orient="records", lines=True, date_format="iso").encode(),
        "parquet": lambda: rows.to_parquet(index=False),
    }[kind]()
    words = ["predict", "-", "-", "--output-format", output, "--max-rejected", "1", "--package", str(small_package)]
    assert CliRunner().invoke(cli.nbship, words, input=stream, catch_exceptions=False).exit_code == 0
    state = Path("state").absolute()
    assert readable_by_others(state) == []

    def forget(value: str) -> int:
        words = ["log", "forget", "--field", "size", "--value", value, "--package", str(small_package), "--json"]
        return json.loads(run(*words))["forgotten"]

    assert forget("7.0") == 2
    # This row was rejected: it is in the file of rejected rows, and may still be in the input.
    assert forget("40") in (1, 2)
    assert [forget("7"), forget("40")] == [0, 0]
    (rejected,) = state.glob("batches/*.rejected.csv")
    assert len(rejected.read_text().splitlines()) == 1
    assert readable_by_others(state) == []
    with find_deployment(small_package).open_log() as log:
        (batch,) = log.batches()
        loaded = predictor.load(small_package)
        frame = predictions(log, loaded.signature, start=batch.first_event, end=batch.last_event + timedelta(days=1))
        assert frame.attrs["unreadable"] == []
        assert frame["size"].tolist() == [3, 5, 2]
        assert frame["prediction_id"].tolist() == [f"{batch.id}-{number}" for number in (1, 4, 5)]
        assert replay(log, f"{batch.id}-4", predictor=loaded).same
        assert log.batches() == [batch]
