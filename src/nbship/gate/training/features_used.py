"""The inputs and features that reach the candidate's last step: one that reached production's and not the candidate's was forgotten.

Whether predictions move when an input is shuffled says less: of two inputs that say the same, such as temperature and dew
point, one fit uses the one and the next fit the other. So the steps before the last are asked: a column that can be
shuffled without any change in what they give was dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...model import ColumnFeatures
from ..checks import FAILED, INSUFFICIENT, PASSED, Check
from ..evidence import Evidence
from ..rows import columns_fitted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["feature_checks", "used_columns"]

NAME = "no feature forgotten"
_ROWS = 1000


def used_columns(evidence: Evidence, seed: int) -> dict[str, list[str]]:
    """Return the inputs and the features that reach the last step of a pipeline.

    Returns
    -------
    dict
        `inputs`, and `features` of a pipeline that starts with a feature function; both empty without steps before the last.
    """
    steps = getattr(evidence.estimator, "steps", None)
    if not steps or len(steps) < 2:
        return {"inputs": [], "features": []}
    number = len(evidence.train)
    rows = np.linspace(0, number - 1, min(_ROWS, number)).astype(np.intp)
    frame, rng = evidence.train.iloc[rows], np.random.default_rng(seed)
    before = evidence.estimator[:-1]
    base = _matrix(before, frame)
    orders = {name: rng.permutation(len(frame)) for name in evidence.names}
    inputs = [name for name in evidence.names if _differs(base, _matrix(before, _shuffled(frame, name, orders[name])))]
    return {"inputs": inputs, "features": _features(before, frame, base, rng)}


def _features(before: Any, frame: pd.DataFrame, base: np.ndarray[Any, Any], rng: np.random.Generator) -> list[str]:
    first, rest = before.steps[0][1], before[1:]
    if not isinstance(first, ColumnFeatures):
        return []
    matrix, found = first.transform(frame), []
    for place, name in enumerate(first.get_feature_names_out()):
        changed = matrix.copy()
        changed[:, place] = changed[rng.permutation(len(changed)), place]
        if _differs(base, _matrix(rest, changed) if len(before.steps) > 1 else changed):
            found.append(str(name))
    return found


def _shuffled(frame: pd.DataFrame, name: str, order: np.ndarray[Any, Any]) -> pd.DataFrame:
    return frame.assign(**{name: frame[name].array[order]})


def _matrix(steps: Any, rows: Any) -> np.ndarray[Any, Any]:
    found = steps.transform(columns_fitted(steps, rows))
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def _differs(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    if one.shape != other.shape:
        return True
    if one.dtype.kind == "O":
        return bool((one.astype(str) != other.astype(str)).any())
    return not np.array_equal(one, other, equal_nan=True)


def feature_checks(evidence: Evidence, used: dict[str, list[str]], reason: str) -> Iterator[Check]:
    """Check that each input and feature that production uses reaches the candidate too."""
    production = evidence.production
    if production is None:
        return
    before = production.record.get("used") or {}
    if not before.get("inputs") or not used["inputs"]:
        what = (
            "Production was built without a record of the inputs that it uses"
            if used["inputs"]
            else "The candidate is no pipeline"
        )
        yield Check(NAME, INSUFFICIENT, f"{what}: whether one was forgotten is not known.")
        return
    lost = [f"feature '{name}'" for name in before["features"] if used["features"] and name not in used["features"]]
    lost += [f"input '{name}'" for name in before["inputs"] if name not in used["inputs"]]
    if not lost or reason:
        words = f", apart from {len(lost)} ({reason})" if lost else ""
        yield Check(
            NAME,
            PASSED,
            f"The inputs and features that production uses reach the candidate{words}.",
            float(len(lost)),
            0.0,
        )
        return
    more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    yield Check(
        NAME,
        FAILED,
        f"The candidate does not use the {lost[0]}{more}, which production uses. Restore it; if it was left out on purpose, say why in 'reason_of_changes'.",
        float(len(lost)),
        0.0,
    )
