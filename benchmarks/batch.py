"""A million rows to probabilities, in memory.

The model of `one_row`, on rows that it was not trained on. Peers run in their own environment, one after another.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from .models import make_estimator, make_package, make_rows
from .peer import measured
from .timing import in_turn

ROWS = 1_000_000


def run() -> str:
    """Return the comparison as Markdown, with every core."""
    from nbship import predictor

    rows, target = make_rows(100_000)
    estimator = make_estimator().fit(rows, target)
    frame = make_rows(ROWS, seed=3)[0]
    with tempfile.TemporaryDirectory() as folder:
        packaged = predictor.load(make_package(Path(folder), estimator, rows))
        columns = {name: frame[name].to_numpy() for name in frame}
        seconds = in_turn(
            {
                "scikit-learn": lambda: estimator.predict_proba(frame),
                "nbship tables": lambda: packaged.model.predict(columns),
                "nbship Predictor, rows checked": lambda: packaged.predict(frame),
            },
            rounds=3,
        )
        expected = estimator.predict_proba(frame)[:, 1]
        apart = {"scikit-learn": 0.0}
        apart["nbship tables"] = abs(packaged.model.predict(columns).probability - expected).max()
        apart["nbship Predictor, rows checked"] = apart["nbship tables"]
    for name, each in measured(ROWS).items():
        seconds[name], apart[name] = each["batch"], each["difference"]
    floor = seconds["mlflow pyfunc"]
    lines = [
        f"| {name} | {ROWS / taken:,.0f} | {floor / taken:.1f} | {apart[name]:.0e} |" for name, taken in seconds.items()
    ]
    head = ["| | rows/s | × mlflow pyfunc | largest difference from scikit-learn |", "|---|--:|--:|--:|"]
    return "\n".join([*head, *lines])
