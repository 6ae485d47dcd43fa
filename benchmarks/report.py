"""A whole monitoring report: `nbship monitor` for a window of 500,000 rows, with notebook, plots and HTML; and in a log of five million.

Every row has a label. The rows come from batch runs, one a month, or are records of a service; each kind is in a log that holds
the window alone, and in one that holds ten such windows. Seconds are of the whole command, CPU time is that of all its processes, and memory that of the
largest one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from .peer import ROOT
from .processes import Taken, take, take_in_turn

ROWS, WINDOWS = 500_000, 10
NUMBERS = tuple(f"number_{place}" for place in range(12))
CATEGORIES = tuple(f"category_{place}" for place in range(8))
# The training data are the 150 days before the first window; windows have 30 days, and the fifth is reported.
_TRAINED, _FIRST, _DAYS, _REPORTED = datetime(2024, 8, 4, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), 30, 4
_ROUNDS, _PART = 3, 10_000
_SETTINGS = """\
project: {name: generated, timezone: UTC}
slices: [category_0, category_1, hour]
monitoring: {row_counts: false}
"""


def run(rows: int = ROWS, windows: int = WINDOWS) -> str:
    """Return the seconds and the memory as Markdown: the fastest of three runs, in turn."""
    start = _FIRST + timedelta(days=_DAYS * _REPORTED)
    window = [f"{day:%Y-%m-%d}" for day in (start, start + timedelta(days=_DAYS))]
    words = [sys.executable, "-m", "nbship", "monitor", "--from", window[0], "--to", window[1], "--force"]
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name), rows)
        calls = {}
        for kind, fill in {"batch runs": fill_with_batches, "records": fill_with_records}.items():
            for numbers in ([_REPORTED], range(windows)):
                project = make_project(Path(name) / f"{kind} {len(numbers)}", package)
                fill(project, numbers, rows)
                calls[f"{kind}: {rows * len(numbers):,} rows in the log"] = partial(take, words, cwd=project)
        found = take_in_turn(calls, rounds=_ROUNDS)
    return _table(found)


def _table(found: dict[str, Taken]) -> str:
    lines, alone = [], next(iter(found.values()))
    for place, (name, each) in enumerate(found.items()):
        alone = each if place % 2 == 0 else alone
        lines.append(
            f"| {name} | {each.seconds:.1f} s | {each.cpu:.1f} s | {each.cpu / alone.cpu:.2f} | {each.peak / 1e6:.0f} MB |"
        )
    return "\n".join(
        ["| | seconds | CPU time | × the window alone | largest process |", "|---|--:|--:|--:|--:|", *lines]
    )


def make_rows(rows: int, first: datetime, days: int, *, seed: int) -> Any:
    """Return rows in the order of their times: an order number, which is the key, numbers, categories; and labels."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(seed)
    seconds = np.sort(random.integers(0, days * 86_400, rows))
    columns: dict[str, Any] = {
        "at": pd.Timestamp(first).as_unit("us") + pd.to_timedelta(seconds, unit="s"),
        "order": seed + 16 * np.arange(rows),
    }
    for place, name in enumerate(NUMBERS):
        values = random.normal(scale=1 + place, size=rows).round(place % 4)
        columns[name] = np.where(random.random(rows) < 0.02, np.nan, values)
    for place, name in enumerate(CATEGORIES):
        names = np.array([f"value {number}" for number in range(5 * (place + 1))], dtype=object)
        columns[name] = names[random.integers(0, len(names), rows)]
    frame = pd.DataFrame(columns)
    drive = frame["number_0"].fillna(0) + frame["category_0"].isin(["value 0", "value 1"]) - 1
    return frame, (random.random(rows) < 1 / (1 + np.exp(-drive))).astype(int).to_numpy()


def make_package(folder: Path, rows: int) -> Path:
    """Build a package whose model reads all numbers and categories."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from nbship import model

    frame, target = make_rows(rows, _TRAINED, 150, seed=15)
    columns = ColumnTransformer(
        [("numbers", "passthrough", list(NUMBERS)), ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(CATEGORIES))]
    )  # fmt: skip
    estimator = make_pipeline(
        columns, HistGradientBoostingClassifier(max_iter=30, early_stopping=False, random_state=0)
    )
    estimator.fit(frame.head(30_000), target[:30_000])
    inputs = (
        model.Field("at", "datetime", timezone="UTC"),
        model.Field("order", "int", key=True),
        *(model.Field(name, "float", nullable=True) for name in NUMBERS),
        *(model.Field(name, "category", open=True) for name in CATEGORIES),
    )
    outputs = (
        model.Output("late", "int", "label", classes=(0, 1)),
        model.Output("risk", "float", "probability", positive=1),
    )
    model.build_package(
        folder / "generated",
        name="generated",
        estimator=estimator,
        signature=model.Signature(inputs, outputs=outputs, event_time="at"),
        golden=frame.head(1000),
        reference=frame,
        provenance=model.Provenance(),
    )
    return folder / "generated"


def make_project(root: Path, package: Path) -> Path:
    """Make a project with a package and the monitoring notebooks of the reference project."""
    (root / "notebooks").mkdir(parents=True)
    (root / "pipeline.yaml").write_text("tasks: []\n", encoding="utf-8")
    (root / "nbship.yaml").write_text(_SETTINGS, encoding="utf-8")
    for notebook in (ROOT / "notebooks").glob("9*.ipynb"):
        shutil.copy(notebook, root / "notebooks")
    shutil.copytree(package, root / "models/generated")
    return root


def _windows(numbers: Any, rows: int) -> Iterator[tuple[int, Any, Any]]:
    for number in numbers:
        yield number, *make_rows(rows, _FIRST + timedelta(days=_DAYS * number), _DAYS, seed=number)


def fill_with_batches(project: Path, numbers: Any, rows: int) -> None:
    """Predict a file for each window, and log the labels of its rows by their keys."""
    from nbship import predictor
    from nbship.inference.batch import predict_file
    from nbship.prediction_log import Label, keys_of_frame, open_log
    from nbship.project import load

    loaded = predictor.load(project / "models/generated")
    with open_log(load(project)) as log:
        for number, frame, labels in _windows(numbers, rows):
            source = project / f"rows_{number}.parquet"
            frame.to_parquet(source, index=False)
            predict_file(loaded, log, source=source, target=project / f"scored_{number}.parquet")
            keys = keys_of_frame(frame, loaded.signature, salt=log.salt)
            times = frame["at"].dt.to_pydatetime()
            told = [
                Label(label=str(label), at=time, model="generated", keys=key, time=time + timedelta(days=1))
                for label, key, time in zip(labels.tolist(), keys, times, strict=True)
            ]
            for first in range(0, rows, _PART):
                log.append(*told[first : first + _PART])


def fill_with_records(project: Path, numbers: Any, rows: int) -> None:
    """Log a record of a service for each row, and its label by the record's id."""
    import json

    import msgspec
    import numpy as np

    from nbship import predictor
    from nbship.prediction_log import Label, Record, new_id, open_log
    from nbship.project import load

    loaded = predictor.load(project / "models/generated")
    with open_log(load(project)) as log:
        for _, frame, labels in _windows(numbers, rows):
            for first in range(0, rows, _PART):
                part = frame.iloc[first : first + _PART]
                found = loaded.predict(part).columns()
                times = part["at"].dt.to_pydatetime()
                plain = part.assign(at=part["at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).astype(object)
                sent = plain.where(part.notna(), None).to_dict("records")
                ids = [new_id() for _ in sent]
                outputs = [
                    json.dumps({"label": int(label), "probability": risk})
                    for label, risk in zip(
                        found["label"].tolist(), np.asarray(found["probability"]).tolist(), strict=True
                    )
                ]
                log.append(
                    *(
                        Record(
                            id=id, at=time, model="generated", version=loaded.version, digest="d", caller="local", mode="rest",
                            inputs=msgspec.json.encode(row).decode(), outputs=output, error=None, latency_ms=1.0,
                            keys=f'{{"order":{row["order"]}}}', event_time=time, event_zone="UTC",
                        )
                        for id, time, row, output in zip(ids, times, sent, outputs, strict=True)
                    ),
                    *(
                        Label(label=str(label), at=time, model="generated", prediction_id=id, time=time + timedelta(days=1))
                        for label, id, time in zip(labels[first : first + _PART].tolist(), ids, times, strict=True)
                    ),
                )  # fmt: skip
