from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from nbship.errors import LogError
from nbship.model.signature import Field, Output, Signature
from nbship.prediction_log import (
    BatchRun,
    Label,
    Record,
    SqlLog,
    digest_of,
    keys_of,
    keys_of_frame,
    new_id,
    open_log,
    predictions,
    row_id,
    sql,
    store_row,
)

SIGNATURE = Signature(
    inputs=(
        Field("at", "datetime", key=True, timezone="America/New_York"),
        Field("line", "category", categories=("a", "b"), open=True, key=True),
        Field("size", "float", nullable=True, optional=True),
        Field("owner", "string", pii=True, nullable=True),
    ),
    outputs=(
        Output("late", "int", "label", classes=(0, 1)),
        Output("probability", "float", "probability", positive=1),
    ),
    event_time="at",
)
START, END = datetime(2024, 7, 1, 4, tzinfo=UTC), datetime(2024, 7, 2, 4, tzinfo=UTC)


def record(log, row: dict, **changes) -> Record:
    stored = store_row(row, SIGNATURE, salt=log.salt)
    return Record(
        **{
            "id": new_id(), "at": datetime.now(UTC), "model": "m", "version": "v", "digest": "d", "caller": "me",
            "mode": "rest", "inputs": stored.inputs, "outputs": '{"label":1,"probability":0.7}', "error": None,
            "latency_ms": 1.0, "keys": stored.keys, "event_time": stored.event_time, "event_zone": stored.event_zone,
            "redacted": stored.redacted, **changes,
        }
    )  # fmt: skip


def batch(folder: Path, rows: list[tuple], *, suffix: str = "csv") -> BatchRun:
    source, target = folder / "in.csv", folder / f"out.{suffix}"
    source.write_text("at,line,owner\n" + "".join(f"{at},{line},{owner}\n" for at, line, owner, _ in rows))
    output = pd.DataFrame(
        {
            "at": [row[0] for row in rows],
            "line": [row[1] for row in rows],
            "prediction_id": [row_id("b0123456789abcdef", number) for number in range(len(rows))],
            "label": [int(row[3] > 0.5) for row in rows],
            "probability": [row[3] for row in rows],
        }
    )
    output.to_csv(target, index=False) if suffix == "csv" else output.to_parquet(target)
    return BatchRun(
        id="b0123456789abcdef", at=datetime.now(UTC), seconds=1.0, model="m", version="v", digest="d", caller="me",
        input_path=str(source), input_digest=digest_of(source), output_path=str(target), output_digest=digest_of(target),
        rows=len(rows), rejected=0, first_event=START, last_event=END,
    )  # fmt: skip


def test_a_row_has_the_same_key_from_every_source(tmp_path: Path) -> None:
    text = {"at": "2024-07-01T08:00:00", "line": "a", "owner": "x"}
    moved = {**text, "at": "2024-07-01T14:00:00+02:00"}
    frame = pd.DataFrame({"at": [pd.Timestamp("2024-07-01T12:00Z")], "line": ["a"]})
    expected = '{"at":"2024-07-01T12:00:00Z","line":"a"}'
    assert keys_of(text, SIGNATURE, salt=b"") == expected
    assert keys_of(moved, SIGNATURE, salt=b"") == expected
    assert keys_of_frame(frame, SIGNATURE, salt=b"") == [expected]


def test_stored_rows_have_the_zone_and_pseudonyms() -> None:
    stored = store_row({"at": "2024-07-01T14:00:00+02:00", "line": "a", "owner": "Ann"}, SIGNATURE, salt=b"s")
    assert stored.event_time == datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert stored.event_zone == "+0200"
    assert stored.redacted == ("owner",)
    assert "Ann" not in stored.inputs
    assert '"at":"2024-07-01T14:00:00+02:00"' in stored.inputs
    naive = store_row({"at": "2024-07-01T08:00:00", "line": "a", "owner": None}, SIGNATURE, salt=b"s")
    assert naive.event_zone == "America/New_York"
    assert naive.redacted == ()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_records_and_batches_are_one_table_with_labels(tmp_path: Path, suffix: str) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        rest = record(log, {"at": "2024-07-01T09:00:00", "line": "b", "size": 2.5, "owner": None})
        refused = record(log, {"at": "2024-07-01T09:00:00", "line": "b", "owner": None}, outputs=None, error="{}")
        outside = record(log, {"at": "2024-07-02T00:00:00", "line": "b", "owner": None})
        run = batch(
            tmp_path,
            [
                ("2024-06-30T23:59:59", "a", "Ann", 0.1),
                ("2024-07-01T00:00:00", "a", "Bob", 0.25),
                ("2024-07-01T08:00:00", "a", "", 0.9),
            ],
            suffix=suffix,
        )
        log.append(rest, refused, outside, run)
        reported = {"label": "1", "at": datetime.now(UTC)}
        key = keys_of({"at": "2024-07-01T00:00:00", "line": "a"}, SIGNATURE, salt=log.salt)
        log.append(
            Label(prediction_id=rest.id, **reported),
            Label(keys=key, **reported),
            Label(keys=key, label="0", at=reported["at"], time=START + timedelta(hours=5)),
        )
        frame = predictions(log, SIGNATURE, start=START, end=END)
    assert frame["prediction_id"].tolist() == [row_id(run.id, 1), row_id(run.id, 2), rest.id]
    assert frame["mode"].tolist() == ["batch", "batch", "rest"]
    assert frame["probability"].tolist() == [0.25, 0.9, 0.7]
    assert frame["label"].tolist() == [0, 1, 1]
    assert frame["line"].tolist() == ["a", "a", "b"]
    assert frame["size"].iloc[2] == 2.5
    assert frame["event_time"].tolist() == [
        pd.Timestamp(text) for text in ("2024-07-01T04:00Z", "2024-07-01T12:00Z", "2024-07-01T13:00Z")
    ]
    assert (frame["at"] == frame["event_time"]).all()
    assert (frame["answered_at"] > pd.Timestamp("2025-01-01T00:00Z")).all()
    assert frame["actual"].iloc[0] == 0
    assert pd.isna(frame["actual"].iloc[1])
    assert frame["actual"].iloc[2] == 1
    assert frame["actual_time"].iloc[0] == pd.Timestamp(START + timedelta(hours=5))
    assert frame.attrs["unreadable"] == []
    assert frame["at"].dtype == frame["event_time"].dtype


def test_the_latest_label_counts_whether_by_id_or_by_keys(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        rest = record(log, {"at": "2024-07-01T09:00:00", "line": "b", "owner": None})
        log.append(rest)
        for label, name in (("0", {"keys": rest.keys}), ("1", {"prediction_id": rest.id}), ("0", {"keys": rest.keys})):
            log.append(Label(label=label, at=datetime.now(UTC), **name))
            frame = predictions(log, SIGNATURE, start=START, end=END)
            assert frame["actual"].tolist() == [int(label)]
        assert len(log.labels()) == 3


def test_an_empty_window_has_the_same_columns(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        empty = predictions(log, SIGNATURE, start=START, end=END)
        log.append(record(log, {"at": "2024-07-01T09:00:00", "line": "b", "owner": None}))
        full = predictions(log, SIGNATURE, start=START, end=END)
    assert len(empty) == 0
    assert set(empty.columns) == set(full.columns)
    assert str(empty["event_time"].dtype) == str(full["event_time"].dtype)


def test_a_batch_with_changed_files_is_reported_and_left_out(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        run = batch(tmp_path, [("2024-07-01T08:00:00", "a", "", 0.9)])
        log.append(run)
        whole = predictions(log, SIGNATURE, start=START, end=END)
        assert len(whole) == 1
        assert whole["size"].isna().all()
        Path(run.output_path).write_text("prediction_id,label,probability\n", encoding="utf-8")
        frame = predictions(log, SIGNATURE, start=START, end=END)
        assert len(frame) == 0
        assert "was changed" in frame.attrs["unreadable"][0]
        Path(run.output_path).unlink()
        assert "is missing" in predictions(log, SIGNATURE, start=START, end=END).attrs["unreadable"][0]


def test_a_repeated_batch_counts_once(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        run = batch(tmp_path, [("2024-07-01T08:00:00", "a", "", 0.9)])
        log.append(run, run)
        assert len(predictions(log, SIGNATURE, start=START, end=END)) == 1


def test_without_event_time_there_are_no_windows(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log, pytest.raises(LogError, match="no event time"):
        predictions(log, Signature(inputs=(Field("x", "float"),)), start=START, end=END)


def test_a_window_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    read = SqlLog._fetched

    def counted(log: SqlLog, *words, **options):
        found = read(log, *words, **options)
        sizes.append(len(found))
        return found

    with open_log(tmp_path / "log.sqlite") as log:
        for number in range(60):
            # Most have the same time.
            row = {"at": f"2024-07-01T08:{number % 3:02d}:00", "line": "ab"[number % 2], "owner": f"o{number % 5}"}
            one = record(log, row, outputs=None if number % 10 == 7 else '{"label":1,"probability":0.7}')
            label = {"prediction_id": one.id} if number % 4 else {"keys": one.keys}
            log.append(one, Label(label=str(number % 2), at=datetime.now(UTC), **label))
        whole = predictions(log, SIGNATURE, start=START, end=END)
        made = list(log.requests(START, datetime.now(UTC)))
        monkeypatch.setattr(sql, "_ROWS", 7)
        monkeypatch.setattr(sql, "_VALUES", 3)
        monkeypatch.setattr(SqlLog, "_fetched", counted)
        pd.testing.assert_frame_equal(predictions(log, SIGNATURE, start=START, end=END), whole)
        assert list(log.requests(START, datetime.now(UTC))) == made
    assert (len(whole), len(made)) == (54, 60)
    assert max(sizes) == 7
    assert sizes.count(7) == 7 + 8


def test_keys_of_many_rows_are_those_of_each_row() -> None:
    names = {"at": "datetime", "line": "category", "count": "int", "size": "float", "fast": "bool", "owner": "string"}
    fields = [Field(name, kind, key=True, nullable=True, open=kind == "category") for name, kind in names.items()]
    fields[-1] = Field("owner", "string", key=True, nullable=True, pii=True)
    signature = Signature((*fields, Field('odd "%s" name', "int", key=True)))
    at = pd.to_datetime(
        ["2024-07-01T08:00:00", "2024-07-01T08:00:00.000120", None, "1969-12-31T23:59:59"], utc=True, format="ISO8601"
    )
    frame = pd.DataFrame(
        {
            "at": at.as_unit("us").tz_convert("America/New_York"),
            "line": pd.Series(["a,b", 'q"%d', None, "ü"], dtype=object),
            "count": [1.0, None, -3.0, 2.0],
            "size": [0.5, -0.0, None, 1e300],
            "fast": [1.0, 0.0, None, 1.0],
            "owner": pd.Series(["Ann", "Ann", None, "Bob"], dtype=object),
            'odd "%s" name': [1, 2**60, 3, 4],
        }
    )
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    expected = [keys_of(row, signature, salt=b"s") for row in rows]
    assert keys_of_frame(frame, signature, salt=b"s") == expected
    coded = frame.assign(line=frame["line"].astype("category"))
    assert keys_of_frame(coded, signature, salt=b"s") == expected
    assert keys_of_frame(frame.iloc[:0], signature, salt=b"s") == []
