from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from nbship import predictor
from nbship.errors import EmptyDataError, InvalidInputError, LogError, SchemaError, SourceError
from nbship.inference import Logged, import_labels, predict_file, replay
from nbship.inference.batch import run as batches
from nbship.prediction_log import digest_of, open_log, predictions


@pytest.fixture
def log(tmp_path: Path):
    with open_log(tmp_path / "state" / "log.sqlite") as log:
        yield log


@pytest.fixture
def loaded(small_package: Path):
    return predictor.load(small_package)


@pytest.fixture
def rows(small_rows: pd.DataFrame) -> pd.DataFrame:
    """A hundred rows, without the columns that can be looked up."""
    return small_rows.head(100).drop(columns=["limit", "grade"])


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("source", ["in.csv", "in.parquet"])
def test_a_file_gets_the_outputs_that_rest_gives(
    tmp_path: Path, log, loaded, rows: pd.DataFrame, source: str, target: str
) -> None:
    summary = predict_file(loaded, log, source=write(rows, tmp_path / source), target=tmp_path / target)
    assert (summary.run.rows, summary.run.rejected, summary.rejected_path) == (100, 0, None)
    path = tmp_path / target
    output = pd.read_csv(path, dtype={"probability": str}) if path.suffix == ".csv" else pd.read_parquet(path)
    output["probability"] = output["probability"].map(float)
    assert list(output.columns) == ["at", "line", "prediction_id", "label", "probability"]
    records = [
        {name: value.isoformat() if name == "at" else None if value != value else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]
    online = Logged(loaded, log).respond(records)
    assert output["probability"].tolist() == [answer["probability"] for answer in online]
    assert output["label"].tolist() == [answer["label"] for answer in online]
    assert not [part for part in tmp_path.iterdir() if part.name.startswith(".")]


def test_chunks_of_a_file_give_the_same_output_as_the_whole(
    tmp_path: Path, log, loaded, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(rows, tmp_path / "in.csv")
    whole = predict_file(loaded, log, source=source, target=tmp_path / "whole.csv").run
    monkeypatch.setattr(batches, "CHUNK_ROWS", 7)
    seen: list[int] = []
    parts = predict_file(loaded, log, source=source, target=tmp_path / "parts.csv", progress=seen.append).run
    assert parts.output_digest == whole.output_digest
    assert parts.id == whole.id
    assert seen[:2] == [7, 14]
    assert seen[-1] == 100


def test_invalid_rows_are_rejected_with_reasons(tmp_path: Path, log, loaded, rows: pd.DataFrame) -> None:
    text = rows.astype({"size": object, "line": object})
    text.loc[3, "size"] = "many"
    text.loc[5, "line"] = "nowhere"
    text.loc[5, "size"] = -4
    summary = predict_file(loaded, log, source=write(text, tmp_path / "in.csv"), target=tmp_path / "out.csv")
    assert (summary.run.rows, summary.run.rejected) == (98, 2)
    rejected = pd.read_csv(tmp_path / "out.csv.rejected.csv")
    assert rejected["row"].tolist() == [3, 5]
    assert "size" in rejected["reason"][0]
    assert "line" in rejected["reason"][1]
    assert "size" in rejected["reason"][1]
    assert rejected["size"].tolist() == ["many", "-4"]
    output = pd.read_csv(tmp_path / "out.csv")
    assert output["prediction_id"].str.rpartition("-")[2].astype(int).tolist() == [
        n for n in range(100) if n not in (3, 5)
    ]
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    read = predictions(log, loaded.signature, start=start, end=end)
    assert set(read["prediction_id"]) == set(output["prediction_id"])


def test_a_file_without_valid_rows_is_an_error(tmp_path: Path, log, loaded, rows: pd.DataFrame) -> None:
    source = write(rows.head(3).assign(size=-1), tmp_path / "in.csv")
    with pytest.raises(InvalidInputError, match="field 'size'"):
        predict_file(loaded, log, source=source, target=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    assert len(pd.read_csv(tmp_path / "out.csv.rejected.csv")) == 3
    assert log.batches() == []


def test_a_repeated_run_does_nothing_and_a_damaged_output_is_written_again(tmp_path: Path, log, loaded, rows) -> None:
    paths = {"source": write(rows, tmp_path / "in.csv"), "target": tmp_path / "out.csv"}
    first = predict_file(loaded, log, **paths)
    again = predict_file(loaded, log, **paths)
    assert (first.repeated, again.repeated) == (False, True)
    assert len(log.batches()) == 1
    (tmp_path / "out.csv").write_text("half")
    repaired = predict_file(loaded, log, **paths)
    assert not repaired.repeated
    assert digest_of(tmp_path / "out.csv") == first.run.output_digest
    assert repaired.run.id == first.run.id


def test_columns_are_checked_by_name(tmp_path: Path, log, loaded, rows: pd.DataFrame) -> None:
    target = tmp_path / "out.csv"
    misnamed = write(rows.rename(columns={"size": "sizes"}), tmp_path / "a.csv")
    with pytest.raises(SchemaError, match=r"lacks the required column 'size'.*'sizes'"):
        predict_file(loaded, log, source=misnamed, target=target)
    extra = write(rows.assign(sizee=1), tmp_path / "b.csv")
    with pytest.raises(SchemaError, match=r"unknown column 'sizee'.*--ignore-extra"):
        predict_file(loaded, log, source=extra, target=target)
    assert predict_file(loaded, log, source=extra, target=target, ignore_extra=True).run.rows == 100


def test_unusable_inputs_and_outputs_are_errors(tmp_path: Path, log, loaded, rows: pd.DataFrame) -> None:
    source = write(rows, tmp_path / "in.csv")
    empty = write(rows.head(0), tmp_path / "empty.csv")
    with pytest.raises(EmptyDataError, match="has no rows"):
        predict_file(loaded, log, source=empty, target=tmp_path / "out.csv")
    with pytest.raises(SourceError, match="no file"):
        predict_file(loaded, log, source=tmp_path / "none.csv", target=tmp_path / "out.csv")
    with pytest.raises(SourceError, match="both input and output"):
        predict_file(loaded, log, source=source, target=source)
    with pytest.raises(SourceError, match="unsupported suffix"):
        predict_file(loaded, log, source=source, target=tmp_path / "out.json")
    with pytest.raises(SourceError, match="does not exist"):
        predict_file(loaded, log, source=source, target=tmp_path / "no" / "out.csv")
    assert log.batches() == []


def test_no_output_without_a_record(tmp_path: Path, loaded, rows: pd.DataFrame) -> None:
    source = write(rows, tmp_path / "in.csv")
    path = tmp_path / "state" / "log.sqlite"
    with open_log(path) as log:
        path.unlink()
        path.mkdir()
        with pytest.raises(LogError):
            predict_file(loaded, log, source=source, target=tmp_path / "out.csv")
    assert sorted(part.name for part in tmp_path.iterdir()) == ["in.csv", "state"]


def test_rows_of_a_batch_replay_to_the_same_bytes(tmp_path: Path, log, loaded, rows: pd.DataFrame) -> None:
    source = write(rows, tmp_path / "in.csv")
    predict_file(loaded, log, source=source, target=tmp_path / "out.parquet")
    for id in pd.read_parquet(tmp_path / "out.parquet")["prediction_id"].iloc[::20]:
        found = replay(log, id, predictor=loaded)
        assert found.same
        assert json.loads(found.logged)["probability"] == json.loads(found.again)["probability"]
    source.write_text(source.read_text() + "\n")
    with pytest.raises(LogError, match="was changed"):
        replay(log, id, predictor=loaded)


def test_labels_are_matched_with_their_predictions(tmp_path: Path, log, loaded, rows: pd.DataFrame) -> None:
    predict_file(loaded, log, source=write(rows, tmp_path / "in.csv"), target=tmp_path / "out.csv")
    keys = rows[["at", "line"]].assign(label=1)
    extra = keys.head(1).assign(at=pd.Timestamp("2031-01-01T00:00Z"))
    labels = write(pd.concat([keys, extra]), tmp_path / "labels.csv")
    told = import_labels(log, labels, signature=loaded.signature)
    assert (told.accepted, told.matched, told.unmatched, told.known) == (101, 100, 1, 0)
    again = import_labels(log, labels, signature=loaded.signature)
    assert (again.accepted, again.matched, again.known) == (101, 100, 101)
    assert len(log.labels()) == 101
    ids = pd.read_csv(tmp_path / "out.csv")[["prediction_id"]].head(2).assign(label=[0, 1], time="2024-06-01T00:00:00Z")
    by_id = import_labels(log, write(ids, tmp_path / "ids.csv"), signature=loaded.signature)
    assert (by_id.accepted, by_id.matched) == (2, 2)
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    read = predictions(log, loaded.signature, start=start, end=end).set_index("prediction_id")
    assert read.loc[ids["prediction_id"], "actual"].tolist() == [0, 1]
    assert read["actual"].notna().all()


def test_invalid_labels_are_errors(tmp_path: Path, log, loaded, rows: pd.DataFrame) -> None:
    keys = rows[["at", "line"]].head(3)
    signature = loaded.signature
    with pytest.raises(SchemaError, match="no column 'label'"):
        import_labels(log, write(keys, tmp_path / "a.csv"), signature=signature)
    with pytest.raises(SchemaError, match="lacks the key column 'line'"):
        import_labels(log, write(keys[["at"]].assign(label=1), tmp_path / "b.csv"), signature=signature)
    with pytest.raises(InvalidInputError, match="is not one of 0, 1"):
        import_labels(log, write(keys.assign(label=7), tmp_path / "c.csv"), signature=signature)
    with pytest.raises(EmptyDataError, match="no rows"):
        import_labels(log, write(keys.head(0).assign(label=[]), tmp_path / "d.csv"), signature=signature)
    assert log.labels() == []
