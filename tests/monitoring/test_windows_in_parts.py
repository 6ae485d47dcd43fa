"""A report of a window that is read in parts is that of the whole window in one frame.

The frame is made here with plain pandas, from what the tests wrote to the log.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from packages import GRADES, LIMITS, ZONE, build_small, make_rows

from nbship import monitoring, predictor
from nbship import project as projects
from nbship.inference.batch.run import predict_file
from nbship.model import Field
from nbship.model.build import load_reference
from nbship.monitoring.drift.counting import FieldCounts
from nbship.prediction_log import (
    Label,
    Record,
    SqlLog,
    batches,
    keys_of,
    new_id,
    open_log,
    predictions,
    sql,
    store_row,
)  # fmt: skip

SLICES = ["line", "weekday", "hour", "grade", "colour", "fragile", "items", "made"]
LABELS = {0: "0", 1: "1"}
FIELDS = [
    Field("colour", "category", open=True, nullable=True, optional=True, example="red"),
    Field("fragile", "bool", nullable=True, optional=True, example=True),
    Field("items", "int", nullable=True, optional=True, example=1),
    Field("made", "datetime", nullable=True, optional=True, timezone=ZONE, example="2024-01-01T00:00:00-05:00"),
    Field("mode", "category", open=True, nullable=True, optional=True, example="fast"),
    Field("owner", "string", nullable=True, pii=True, optional=True, example="nobody"),
    Field("age", "int", nullable=True, pii=True, optional=True, example=1),
    Field("born", "datetime", nullable=True, pii=True, optional=True, timezone=ZONE, example="1990-01-01T00:00:00Z"),
    Field("card", "string", nullable=True, pii="drop", optional=True, example="none"),
]
WINDOW = ("2024-01-05", "2024-02-01")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small(tmp_path_factory.mktemp("models"), fields=FIELDS)


@pytest.fixture
def project(tmp_path: Path, package: Path) -> projects.Project:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(
        f"project: {{name: small, timezone: America/New_York}}\nslices: [{', '.join(SLICES)}]\n"
    )
    found = projects.load(tmp_path)
    shutil.copytree(package, found.package)
    return found


class Written:
    """A log, and the rows that a report of it must show: one dict per row."""

    def __init__(self, project: projects.Project, log: SqlLog, seed: int) -> None:
        self.project, self.log, self.random = project, log, np.random.default_rng(seed)
        self.predictor = predictor.load(project.package)
        self.signature, self.rows = self.predictor.signature, []

    def inputs(self, count: int, *, late: bool = False) -> pd.DataFrame:
        """Return rows whose events share few times; some categories only occur in the `late` part of the window."""
        rows, pick = make_rows(count, seed=int(self.random.integers(1000))), self.random.choice
        hours = np.sort(
            self.random.integers(20 * 24, 30 * 24, count) if late else self.random.integers(0, 20 * 24, count)
        )
        rows["at"] = (pd.Timestamp("2024-01-01", tz=ZONE) + pd.to_timedelta(hours // 6 * 6, unit="h")).as_unit("us")
        rows["colour"] = pick(np.array(["red", "blue", "gray" if late else None], dtype=object), count)
        rows["fragile"] = pick(np.array([True, False] if late else [True, False, None], dtype=object), count)
        rows["items"] = pick(np.array([1, 2, 3] if late else [1, None], dtype=object), count)
        rows["made"] = rows["at"] - pd.to_timedelta(self.random.integers(0, 2, count), unit="D")
        rows["mode"] = pick(np.array(["fast", "slow"], dtype=object), count)
        rows["owner"] = pick(np.array(["Ann", "Bob", None], dtype=object), count)
        rows["age"], rows["card"] = pick(np.array([40, None], dtype=object), count), "4111"
        rows["born"] = pd.Timestamp("1990-05-05", tz=ZONE)
        rows["limit"] = np.where(self.random.random(count) < 0.5, np.nan, rows["limit"])
        return rows

    def add(
        self, inputs: Sequence[dict[str, Any]], ids: Sequence[str], outputs: Sequence[tuple[Any, Any]], **about: Any
    ) -> None:
        for row, id, (label, probability) in zip(inputs, ids, outputs, strict=True):
            self.rows.append(
                {
                    "inputs": row,
                    "id": id,
                    "label": label,
                    "probability": probability,
                    "actual": None,
                    "actual_time": None,
                    **about,
                }
            )

    def records(self, frame: pd.DataFrame, *, version: str, mode: str, leave_out: Sequence[str] = ()) -> None:
        made, kept = [], []
        for row in _plain(frame.drop(columns=list(leave_out))):
            sent = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
            stored = store_row(sent, self.signature, salt=self.log.salt)
            risk = round(self.random.random(), 2)
            made.append(
                Record(
                    id=new_id(), at=datetime.now(UTC), model="small", version=version, digest="d", caller="me", mode=mode,
                    inputs=stored.inputs, outputs=json.dumps({"label": int(risk > 0.5), "probability": risk}), error=None,
                    latency_ms=1.0, keys=stored.keys, event_time=stored.event_time, event_zone=stored.event_zone,
                    redacted=stored.redacted,
                )
            )  # fmt: skip
            # The log has pseudonyms of personal values, which are null where they are no strings, and drops others.
            kept.append({**row, "age": None, "born": None, "card": None})
        rejected = [one._replace(id=new_id(), outputs=None, error="{}") for one in made[:2]]
        shadow = [one._replace(id=new_id(), role="shadow") for one in made[:2]]
        self.log.append(*made, *rejected, *shadow)
        outputs = [(json.loads(one.outputs)["label"], json.loads(one.outputs)["probability"]) for one in made]
        self.add(kept, [one.id for one in made], outputs, mode=mode, version=version)

    def batch(self, name: str, frame: pd.DataFrame, *, private: bool = False) -> Path:
        source, target = self.project.root / name, self.project.root / f"scored-{name}"
        if source.suffix == ".csv":
            frame.assign(at=frame["at"].map(lambda at: at.isoformat())).to_csv(source, index=False)
        else:
            frame.to_parquet(source)
        keep_in = self.project.root / "private" if private else None
        (self.project.root / "private").mkdir(exist_ok=True)
        predict_file(self.predictor, self.log, source=source, target=target, keep_in=keep_in)
        output = pd.read_csv(target) if target.suffix == ".csv" else pd.read_parquet(target)
        kept = [row | ({"age": None, "born": None, "card": None} if private else {}) for row in _plain(frame)]
        outputs = list(zip(output["label"], output["probability"], strict=True))
        self.add(kept, output["prediction_id"].tolist(), outputs, mode="batch", version=self.predictor.version)
        return target

    def tell(self) -> None:
        """Label most rows by id or by key, some of them twice."""
        for row in self.rows:
            for way in self.random.permutation(["id", "key", "none"])[: self.random.integers(0, 3)]:
                if way == "none":
                    continue
                label = int(self.random.random() < row["probability"])
                key = keys_of(row["inputs"], self.signature, salt=self.log.salt)
                name = {"prediction_id": row["id"]} if way == "id" else {"keys": key}
                time = datetime(2024, 9, 1, tzinfo=UTC) + timedelta(hours=int(self.random.integers(900)))
                self.log.append(Label(label=LABELS[label], at=datetime.now(UTC), model="small", time=time, **name))
                for other in self.rows:
                    if other is row or (
                        way == "key" and keys_of(other["inputs"], self.signature, salt=self.log.salt) == key
                    ):
                        other["actual"], other["actual_time"] = label, time


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows with None for each null and datetimes for timestamps."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{k: v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for k, v in row.items()} for row in rows]


def whole_frame(written: Written, window: monitoring.Window) -> pd.DataFrame:
    """Return all rows of a window in one frame, in the order of event times and ids."""
    frame = pd.DataFrame([{**row, "event_time": row["inputs"]["at"]} for row in written.rows])
    frame["event_time"] = pd.to_datetime(frame["event_time"], utc=True)
    frame = frame[(frame["event_time"] >= window.start) & (frame["event_time"] < window.end)]
    frame = frame.sort_values(["event_time", "id"], ignore_index=True)
    dtypes = {"int": ("int64", "float64"), "bool": ("bool", "float64"), "float": ("float64", "float64")}
    inputs = {}
    for field in written.signature.inputs:
        values = pd.Series([row.get(field.name) for row in frame["inputs"]], dtype=object)
        if field.name in ("limit", "grade"):
            table = {"limit": LIMITS, "grade": GRADES}[field.name]
            looked_up = pd.Series([table[row["line"]] for row in frame["inputs"]], dtype=object)
            # The model saw the nulls that were sent.
            values = values.where([field.name in row for row in frame["inputs"]], looked_up)
        if field.dtype == "datetime":
            values = pd.to_datetime(values, utc=True)
        elif field.dtype in dtypes:
            values = values.astype(dtypes[field.dtype][int(values.isna().any())])
        inputs[field.name] = values
    frame["predicted"], frame["actual"] = frame["probability"].astype(float), frame["actual"].astype(float)
    frame["actual_time"] = pd.to_datetime(frame["actual_time"], utc=True).astype("datetime64[us, UTC]")
    local = frame["event_time"].dt.tz_convert(ZONE)
    frame["weekday"], frame["hour"] = local.dt.day_of_week + 1, local.dt.hour
    frame = frame.drop(columns="inputs").assign(**{name: inputs[name] for name in inputs if name != "mode"})
    return frame.assign(**{"input_mode": inputs["mode"]})


def values_of(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Return an input as the model saw it; the reference names booleans."""
    column = frame["input_mode" if name == "mode" else name]
    if name == "at":
        return frame["event_time"].dt.tz_convert(ZONE).dt.strftime("%H").astype(object).to_numpy()
    if name == "made":
        return ((column - frame["event_time"]).dt.total_seconds() / 3600).to_numpy(dtype=float)
    if name == "fragile":
        names = [None if value != value else "true" if value else "false" for value in column]
        column = pd.Series(names, dtype=object)
    if column.dtype == object:
        return column.where(column.notna(), None).to_numpy()
    return column.to_numpy(dtype=float)


def report_of(observed: monitoring.Observed, window: monitoring.Window) -> bytes:
    report = monitoring.build_report(observed, window, min_rows=20)
    return json.dumps(report, sort_keys=True, allow_nan=False).encode()


def write_log(project: projects.Project, log: SqlLog, seed: int) -> tuple[Written, Path]:
    written = Written(project, log, seed)
    written.records(written.inputs(60), version="first", mode="rest")
    written.records(written.inputs(40).assign(fragile=None, items=None, colour=None), version="first", mode="app")
    written.records(
        written.inputs(40, late=True), version="second", mode="rest", leave_out=["items", "owner", "mode", "limit"]
    )
    written.batch("one.parquet", written.inputs(130))
    written.batch(
        "two.csv",
        written.inputs(30).drop(
            columns=["colour", "fragile", "items", "made", "mode", "owner", "age", "born", "limit"]
        ),
    )
    written.batch("private.parquet", written.inputs(50, late=True), private=True)
    gone = written.batch("gone.parquet", written.inputs(20))
    del written.rows[-20:]
    written.tell()
    gone.unlink()
    return written, gone


@pytest.fixture
def log(project: projects.Project) -> Iterator[SqlLog]:
    with open_log(project) as opened:
        yield opened


def read_in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_ROWS", 5)
    monkeypatch.setattr(sql, "_VALUES", 3)
    monkeypatch.setattr(batches, "read_chunks", partial(batches.read_chunks, rows=12))


def observe_both_ways(project: projects.Project, written: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the window, what is observed in parts, the whole frame by pandas, and the package's reference."""
    window = monitoring.parse_window(*WINDOW, zone=project.timezone)
    read_in_small_parts(monkeypatch)
    observed = monitoring.observe(project, window)
    expected = whole_frame(written, window)
    reference = load_reference((project.package / "reference.parquet").read_bytes())
    assert reference.periods is not None
    assert len(observed.collected.plan.pieces) == 4
    return window, observed, expected, reference


@pytest.mark.parametrize("seed", range(3))
def test_a_report_is_that_of_the_whole_window(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    written, gone = write_log(project, log, seed)
    window, observed, expected, reference = observe_both_ways(project, written, monkeypatch)
    logged = [compared.name for compared in observed.fields]
    assert set(logged) == set(written.signature.names) - {"age", "born", "card"}
    plan, days = observed.collected.plan, (expected["event_time"].dt.tz_convert(ZONE).dt.day - 5).to_numpy()
    counts = {name: FieldCounts(name, reference.fields[name], plan) for name in logged}
    for name, field in counts.items():
        field.add(values_of(expected, name), days)
    prediction = FieldCounts("probability", reference.fields["probability"], plan)
    prediction.add(expected["predicted"].to_numpy(), days)
    whole = replace(
        observed,
        frame=expected,
        fields=[field.compared() for field in counts.values()],
        prediction=prediction.compared(),
    )
    assert report_of(observed, window) == report_of(whole, window)
    assert observed.collected.rows.tolist() == np.bincount(days, minlength=27).tolist()
    names = [name for name in written.signature.names if name not in written.signature.personal]
    copies = expected[["input_mode" if name == "mode" else name for name in names]].duplicated().sum()
    assert observed.collected.copies.sum() == copies
    report = json.loads(report_of(observed, window))
    assert set(report["volume"]["by_version"]) == {"first", "second", written.predictor.version}
    assert len(report["volume"]["unreadable"]) == 1
    assert gone.name in report["volume"]["unreadable"][0]
    assert 0 < report["performance"]["labelled"] < report["performance"]["rows"] == len(expected) > 200
    assert "gray" in {row["value"] for row in report["slices"] if row["slice"] == "colour"}


@pytest.mark.parametrize("seed", range(3))
def test_the_counts_of_a_window_are_those_of_pandas(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    written, _ = write_log(project, log, seed)
    _, observed, expected, reference = observe_both_ways(project, written, monkeypatch)
    for compared in (*observed.fields, observed.prediction):
        like, current = reference.fields[compared.name], compared.current
        values = pd.Series(expected["predicted"] if like.role == "output" else values_of(expected, compared.name))
        assert current.missing == values.isna().sum()
        if like.kind == "number":
            found = (
                pd.cut(values, like.edges, labels=False).value_counts().reindex(range(len(like.counts)), fill_value=0)
            )
            assert current.fine.tolist() == found.tolist()
        elif like.kind in ("category", "hour"):
            found = values.value_counts().to_dict()
            assert dict(zip(current.labels, current.counts, strict=True)) | dict(current.new) == {
                **dict.fromkeys(current.labels, 0), **found
            }  # fmt: skip
        else:
            assert current.counts.tolist() == [values.notna().sum()]


def test_a_table_of_the_log_does_not_depend_on_the_parts(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, _ = write_log(project, log, 5)
    window = monitoring.parse_window(*WINDOW, zone=project.timezone)
    expected = whole_frame(written, window)
    read_in_small_parts(monkeypatch)
    found = predictions(log.of_model("small"), written.signature, start=window.start, end=window.end)
    assert found["prediction_id"].tolist() == expected["id"].tolist()
    names = ["event_time", "mode", "version", "probability", "actual", "line", "size", "weight", "colour", "fragile"]
    for name in [*names, "items", "made", "input_mode", "age", "born"]:
        assert _same(found[name], expected[name]), name
    assert found["fragile"].dtype == float
    assert found["owner"].isna().tolist() == expected["owner"].isna().tolist()


def _same(found: pd.Series, expected: pd.Series) -> bool:
    return bool(((found == expected) | (found.isna() & expected.isna())).all())
