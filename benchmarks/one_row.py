"""From a Python dict to a probability: the reference project's package against the same pipeline in scikit-learn."""

from __future__ import annotations

from pathlib import Path

from .timing import in_turn, table

ROOT = Path(__file__).parents[1]


def run() -> str:
    """Return the comparison as Markdown; one thread each, weather and plane given and looked up."""
    import pandas as pd
    from threadpoolctl import threadpool_limits

    from nbship import model, predictor

    threadpool_limits(limits=1)
    packaged = predictor.load(ROOT / "models/flights")
    golden = pd.read_parquet(ROOT / "models/flights/golden.parquet")
    names = [field.name for field in packaged.signature.inputs]
    row = golden[names].dropna().to_dict("records")[0]
    own = {field.name: row[field.name] for field in packaged.signature.inputs if not field.optional}
    estimator = model.load_estimator(ROOT / "products/train/model.skops")

    def scikit_learn() -> object:
        return estimator.predict_proba(pd.DataFrame([row]))[0, 1]

    seconds = in_turn(
        {
            "scikit-learn, dict → DataFrame → predict_proba": scikit_learn,
            "nbship Predictor, all fields given": lambda: packaged.predict([row]),
            "nbship Predictor, weather and plane looked up": lambda: packaged.predict([own]),
        },
        rounds=15,
        repeat=30,
    )
    return table(seconds, floor="scikit-learn, dict → DataFrame → predict_proba")
