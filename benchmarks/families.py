"""Models of other families: the backend, its speed next to the estimator with a DataFrame, and the size of the package.

The rows of `one_row`, 20,000 to train on; one row from a dict, and 100,000 rows of a DataFrame, both checked by the signature.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from .models import make_columns, make_package, make_rows
from .timing import in_turn

ROWS = 100_000


def run() -> str:
    """Return the comparison as Markdown."""
    import numpy as np
    import pandas as pd

    from nbship import predictor

    rows, target = make_rows(20_000)
    value = target + np.random.default_rng(0).normal(size=len(target))
    frame = make_rows(ROWS, seed=3)[0]
    row: dict[str, Any] = frame.dropna().to_dict("records")[0]
    lines = [
        "| | backend | one row | × the estimator's time | rows/s | × the estimator's rate | package |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, estimator in _estimators().items():
        classes = hasattr(estimator, "predict_proba")
        fitted = make_columns(estimator).fit(rows, target if classes else value)
        predict = fitted.predict_proba if classes else fitted.predict
        with tempfile.TemporaryDirectory() as folder:
            packaged = predictor.load(make_package(Path(folder), fitted, rows))
        size = sum(map(len, packaged.package.files.values()))
        one = in_turn(
            {
                "scikit-learn": lambda predict=predict: predict(pd.DataFrame([row])),
                "nbship": lambda packaged=packaged: packaged.predict([row]),
            },
            rounds=9,
            repeat=20,
        )
        many = in_turn(
            {
                "scikit-learn": lambda predict=predict: predict(frame),
                "nbship": lambda packaged=packaged: packaged.predict(frame),
            },
            rounds=3,
        )
        values = (f"{one['nbship'] * 1e6:,.0f} µs", f"{one['nbship'] / one['scikit-learn']:.3f}")
        values += (
            f"{ROWS / many['nbship']:,.0f}",
            f"{many['scikit-learn'] / many['nbship']:.1f}",
            f"{size / 1e6:,.1f} MB",
        )
        lines.append(f"| {name} | {packaged.backend} | {' | '.join(values)} |")
    return "\n".join(lines)


def _estimators() -> dict[str, Any]:
    from catboost import CatBoostClassifier
    from lightgbm import LGBMClassifier
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier
    from xgboost import XGBClassifier

    return {
        "logistic regression": LogisticRegression(max_iter=200),
        "gradient boosting, 100 trees": GradientBoostingClassifier(random_state=0),
        "forest, 100 trees to the end": RandomForestClassifier(random_state=0),
        "forest, 100 trees to the end, values": RandomForestRegressor(random_state=0),
        "forest, 100 trees of 64 leaves": RandomForestClassifier(max_leaf_nodes=64, random_state=0),
        "calibrated gradient boosting, 3 folds": CalibratedClassifierCV(GradientBoostingClassifier(random_state=0), cv=3),
        "network of 32 units": MLPClassifier((32,), max_iter=20, early_stopping=True, random_state=0),
        "naive Bayes": GaussianNB(),
        "XGBoost, 100 trees": XGBClassifier(),
        "LightGBM, 100 trees": LGBMClassifier(verbose=-1),
        "CatBoost, 100 trees": CatBoostClassifier(iterations=100, verbose=0, allow_writing_files=False),
    }  # fmt: skip
