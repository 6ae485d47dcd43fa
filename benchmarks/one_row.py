"""From a Python dict to a probability, one row at a time.

Two models: eight numbers (imputed, scaled) and four categories (one-hot) before a boosting of 100 trees, trained
on 100,000 generated rows; and the reference project's own package, with its features and lookups.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .peer import measured
from .timing import in_turn, table

ROOT = Path(__file__).parents[1]
_FLOOR = "scikit-learn, dict → DataFrame → predict_proba"


def run() -> str:
    """Return the comparisons as Markdown; one thread each."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    with tempfile.TemporaryDirectory() as folder:
        parts = [_generated(Path(folder)), _reference()]
    return "\n\n".join(parts)


def _generated(folder: Path) -> str:
    from nbship import predictor

    from .models import make_estimator, make_package, make_rows

    rows, target = make_rows(100_000)
    estimator = make_estimator().fit(rows, target)
    packaged = predictor.load(make_package(folder, estimator, rows))
    sample = make_rows(20_000, seed=1)[0]
    given = packaged.predict(sample).probability
    expected = estimator.predict_proba(sample)[:, 1]
    row: dict[str, Any] = sample.dropna().to_dict("records")[0]
    tables = packaged.model.backend
    values = [row[name] for name in tables.names]
    seconds = _timed(estimator, row, {"nbship Predictor, checked by the signature": lambda: packaged.predict([row])})
    seconds |= in_turn({"nbship tables alone": lambda: tables.score_row(values)}, rounds=15, repeat=2_000)
    seconds |= {name: each["row"] for name, each in measured(100_000).items()}
    notes = f"Backend: {packaged.backend}; largest difference over 20,000 rows: {abs(given - expected).max():.0e}."
    return f"Generated data, 100 trees:\n\n{table(seconds, floor=_FLOOR, unit='µs')}\n\n{notes}"


def _reference() -> str:
    import pandas as pd

    from nbship import model, predictor

    packaged = predictor.load(ROOT / "models/flights")
    golden = pd.read_parquet(ROOT / "models/flights/golden.parquet")
    names = [field.name for field in packaged.signature.inputs]
    row: dict[str, Any] = golden[names].dropna().to_dict("records")[0]
    own = {field.name: row[field.name] for field in packaged.signature.inputs if not field.optional}
    estimator = model.load_estimator(ROOT / "products/train/model.skops")
    seconds = _timed(
        estimator,
        row,
        {
            "nbship Predictor, all fields given": lambda: packaged.predict([row]),
            "nbship Predictor, weather and plane looked up": lambda: packaged.predict([own]),
        },
    )
    return f"The reference project, backend {packaged.backend}:\n\n{table(seconds, floor=_FLOOR, unit='µs')}"


def _timed(estimator: Any, row: dict[str, Any], calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    import pandas as pd

    floor = {_FLOOR: lambda: estimator.predict_proba(pd.DataFrame([row]))[0, 1]}
    return in_turn(floor, rounds=15, repeat=30) | in_turn(calls, rounds=15, repeat=2_000)
