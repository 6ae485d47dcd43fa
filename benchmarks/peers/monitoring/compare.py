"""What the peers of monitoring measure on generated data: `python compare.py` prints it as JSON.

`tests/monitoring/test_monitoring_peers.py` compares what it printed (`tests/monitoring/peer_measures.json`) with nbship's measures
of the same data. Bins and the treatment of missing values differ between tools: so a measure of bins gets the categories of
the same bins, and the data have no missing values.
"""

from __future__ import annotations

import json
import os
import warnings
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

ROWS, CHUNKS = 6000, 6


def make_columns(seed: int, shift: float) -> dict[str, Any]:
    """Return a number with forty values, the same in five bins, and a category with a rare value.

    This stream of random numbers never changes.
    """
    random = np.random.RandomState(seed)
    number = np.clip(np.round(random.normal(20 + shift, 5, ROWS)), 0, 39)
    bins = np.array([f"bin {int(place)}" for place in np.clip(number // 5, 2, 6)], dtype=object)
    weights = np.array([0.5, 0.3, 0.15 + shift / 100, 0.05 - shift / 100])
    return {
        "number": number,
        "bins": bins,
        "category": random.choice(list("abcd"), size=ROWS, p=weights).astype(object),
    }


def make_outcomes(seed: int) -> dict[str, Any]:
    """Return probabilities and outcomes that follow them, in the order of time."""
    random = np.random.RandomState(seed)
    probability = np.round(1 / (1 + np.exp(-random.normal(-1, 1.2, ROWS))), 4)
    return {"probability": probability, "actual": (random.random_sample(ROWS) < probability).astype(int)}


# Nothing phones home.
os.environ |= {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}


def main() -> None:
    """Print `{"versions": …, "nannyml": …, "evidently": …}`."""
    warnings.simplefilter("ignore")
    reference, current = (pd.DataFrame(make_columns(seed, shift)) for seed, shift in ((0, 0.0), (1, 1.0)))
    print(
        json.dumps(
            {
                "versions": {name: metadata.version(name) for name in ("nannyml", "evidently", "scipy")},
                "nannyml": {**_nannyml_drift(reference, current), **_nannyml_performance()},
                "evidently": _evidently_drift(reference, current),
            },
            indent=2,
            sort_keys=True,
        )
    )


def _nannyml_drift(reference: Any, current: Any) -> dict[str, Any]:
    import nannyml as nml

    calculator = nml.UnivariateDriftCalculator(
        column_names=list(reference),
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
        categorical_methods=["chi2", "jensen_shannon"],
        computation_params={"kolmogorov_smirnov": {"calculation_method": "exact"}},
        chunk_number=1,
    )
    calculator.fit(reference)
    found = calculator.calculate(current).filter(period="analysis").to_df()
    return {
        f"{column} {method}": float(found[(column, method, what)].iloc[0])
        for column, method, what in found.columns
        if what == "value"
    }


def _nannyml_performance() -> dict[str, Any]:
    """Return the AUC of each chunk, measured and estimated from the probabilities."""
    import nannyml as nml

    frames = []
    for seed in (2, 3):
        frame = pd.DataFrame(make_outcomes(seed))
        frames.append(frame.assign(predicted=(frame["probability"] > 0.5).astype(int)))
    names = {"y_true": "actual", "y_pred_proba": "probability", "y_pred": "predicted", "problem_type": "classification_binary"}  # fmt: skip
    realized = nml.PerformanceCalculator(**names, metrics=["roc_auc"], chunk_number=CHUNKS)
    # The probabilities are right: nbship takes them as they are.
    estimated = nml.CBPE(**names, metrics=["roc_auc"], chunk_number=CHUNKS, calibrator=_Uncalibrated())
    measured, guessed = (
        each.fit(frames[0]).calculate(frames[1]) if kind == "realized" else each.fit(frames[0]).estimate(frames[1])
        for kind, each in (("realized", realized), ("estimated", estimated))
    )
    return {
        "auc by chunk": _values(measured, "value"),
        "estimated auc by chunk": _values(guessed, "value"),
    }


class _Uncalibrated:
    """A calibrator of NannyML that changes nothing."""

    def fit(self, *_: Any, **__: Any) -> None:
        pass

    def calibrate(self, y_pred_proba: Any, *_: Any, **__: Any) -> Any:
        return y_pred_proba


def _values(result: Any, what: str) -> list[float]:
    found = result.filter(period="analysis").to_df()
    return [float(value) for value in found[("roc_auc", what)]]


def _evidently_drift(reference: Any, current: Any) -> dict[str, Any]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(numerical_columns=["number"], categorical_columns=["bins", "category"])
    now, before = (Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference))
    methods = {"number": ("ks",), "bins": ("psi", "jensenshannon", "chisquare"), "category": ("psi", "jensenshannon", "chisquare")}  # fmt: skip
    asked = [(column, method) for column, names in methods.items() for method in names]
    report = Report([ValueDrift(column=column, method=method) for column, method in asked])
    found = report.run(now, before).dict()["metrics"]
    return {f"{column} {method}": float(each["value"]) for (column, method), each in zip(asked, found, strict=True)}


if __name__ == "__main__":
    main()
