"""Measures of predictions: one definition for training, gates and monitoring.

Every measure is a finite number, or None if the data do not define it (no rows, a single class); never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Measures", "by_slice", "calibration_curve", "classification", "regression"]

Measures: TypeAlias = dict[str, int | float | None]
_Floats: TypeAlias = NDArray[np.float64]

_OTHER = "other values"


def classification(actual: ArrayLike, probability: ArrayLike, *, label: ArrayLike | None = None) -> Measures:
    """Measure predicted probabilities of a binary outcome.

    Parameters
    ----------
    actual
        The outcomes, shape (n,): True or 1, False or 0.
    probability
        The predicted probabilities of 1, shape (n,), from 0 to 1.
    label
        The predicted labels, shape (n,), for accuracy, precision and recall.

    Returns
    -------
    Measures
        `n`, `positives`, `base_rate`, `mean_probability`;
        `auc`: area under the ROC curve, as the Mann-Whitney statistic (Hanley & McNeil 1982);
        `average_precision`: sum of precision × gain in recall over the distinct thresholds (Davis & Goadrich 2006);
        `brier`: mean squared error of the probability (Brier 1950);
        `log_loss`: mean negative log likelihood in nats, probabilities clipped to the nearest double;
        `calibration_error`: expected calibration error, the mean over rows of |mean probability - rate| of the
        row's bin, in ten bins of equal numbers of rows (Naeini et al. 2015, adaptive bins);
        with `label`: `accuracy`, `precision`, `recall`.

    Raises
    ------
    DataError
        If the lengths differ, an outcome is not 0 or 1, or a probability is not between 0 and 1.

    Examples
    --------
    >>> measures = classification([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> measures["auc"], round(measures["average_precision"], 4), round(measures["brier"], 4)
    (0.75, 0.8333, 0.1581)
    >>> classification([1, 1], [0.7, 0.9])["auc"] is None
    True
    """
    y, p = _outcomes(actual), _probabilities(probability)
    _check_lengths(y, p)
    n, positives = y.size, int(y.sum())
    measures: Measures = {"n": n, "positives": positives, "base_rate": None, "mean_probability": None}
    measures |= dict.fromkeys(("auc", "average_precision", "brier", "log_loss", "calibration_error"))
    if n:
        order = np.argsort(p, kind="stable")
        y, p = y[order], p[order]
        measures["base_rate"], measures["mean_probability"] = positives / n, _number(p.mean())
        measures["auc"], measures["average_precision"] = _ranking(y, p)
        measures["brier"], measures["log_loss"] = _number(np.mean((p - y) ** 2)), _log_loss(y, p)
        measures["calibration_error"] = _calibration_error(y, p, bins=10)
    if label is not None:
        measures |= _decisions(_outcomes(actual), _outcomes(label))
    return measures


def regression(actual: ArrayLike, value: ArrayLike) -> Measures:
    """Measure predicted quantities, in the unit of the quantity.

    Parameters
    ----------
    actual
        The true values, shape (n,), finite.
    value
        The predicted values, shape (n,), finite.

    Returns
    -------
    Measures
        `n`, `mean_actual`, `mean_value`, `bias` (mean of value - actual), `mae`, `rmse`, and `r2`, the share of the
        variance explained (None where the outcome does not vary).

    Raises
    ------
    DataError
        If the lengths differ or a number is not finite.

    Examples
    --------
    >>> regression([1.0, 2.0, 3.0], [1.5, 2.0, 3.5])["mae"]
    0.3333333333333333
    """
    y, v = _finite(actual, "outcomes"), _finite(value, "predictions")
    _check_lengths(y, v)
    names = ("mean_actual", "mean_value", "bias", "mae", "rmse", "r2")
    if not y.size:
        return {"n": 0} | dict.fromkeys(names)
    with np.errstate(over="ignore", invalid="ignore"):
        error, spread = v - y, float(np.sum((y - y.mean()) ** 2))
        r2 = 1 - np.sum(error**2) / spread if spread > 0 else math.nan
        found = (y.mean(), v.mean(), error.mean(), np.abs(error).mean(), np.sqrt(np.mean(error**2)), r2)
    return {"n": y.size} | dict(zip(names, map(_number, found), strict=True))


def calibration_curve(actual: ArrayLike, probability: ArrayLike, *, bins: int = 10) -> list[dict[str, float]]:
    """Return the calibration curve, from the lowest to the highest probability.

    Bins hold equal numbers of rows; rows of equal probability share a bin, so there can be fewer than `bins`.

    Returns
    -------
    list
        For each bin `probability` (its mean), `rate` (the observed rate) and `n`.

    Examples
    --------
    >>> calibration_curve([0, 1, 1, 1], [0.2, 0.4, 0.8, 0.8], bins=2)
    [{'probability': 0.30000000000000004, 'rate': 0.5, 'n': 2}, {'probability': 0.8, 'rate': 1.0, 'n': 2}]
    """
    y, p = _outcomes(actual), _probabilities(probability)
    _check_lengths(y, p)
    order = np.argsort(p, kind="stable")
    counts, probabilities, rates = _bins(y[order], p[order], bins=bins)
    return [
        {"probability": float(mean), "rate": float(rate), "n": int(n)}
        for n, mean, rate in zip(counts, probabilities, rates, strict=True)
    ]


def by_slice(
    frame: pd.DataFrame,
    by: str | Sequence[str],
    *,
    measure: Callable[[ArrayLike, ArrayLike], Mapping[str, Any]] = classification,
    actual: str = "actual",
    predicted: str = "probability",
    most: int = 40,
) -> list[dict[str, Any]]:
    """Measure each value of each slicing column.

    Parameters
    ----------
    frame
        Outcomes, predictions and slicing columns.
    by
        The slicing columns, which are not crossed with each other.
    measure
        Function of the outcomes and the predictions of a slice.
    actual, predicted
        Names of the columns of outcomes and predictions.
    most
        The number of values per column; less frequent values are merged into the slice `other values`.

    Returns
    -------
    list
        For each slice `slice` (the column), `value` (None: missing) and the measures; values in their natural order.

    Raises
    ------
    DataError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"shop": ["b", "a", "b"], "actual": [1, 0, 0], "probability": [0.6, 0.2, 0.4]})
    >>> [(row["value"], row["n"], row["base_rate"]) for row in by_slice(frame, "shop")]
    [('a', 1, 0.0), ('b', 2, 0.5)]
    """
    columns = [by] if isinstance(by, str) else list(by)
    for column in (*columns, actual, predicted):
        if column not in frame.columns:
            raise DataError(f"There is no column '{column}'. Columns: {_few(frame.columns)}.")
    outcomes, predictions = frame[actual].to_numpy(), frame[predicted].to_numpy()
    return [
        {"slice": column, "value": value, **measure(outcomes[rows], predictions[rows])}
        for column in columns
        for value, rows in _groups(frame[column], most=most)
    ]


def _groups(column: pd.Series[Any], *, most: int) -> list[tuple[Any, NDArray[np.intp]]]:
    import pandas as pd

    codes, values = pd.factorize(column, sort=False, use_na_sentinel=True)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    frequent = np.argsort(-counts, kind="stable")[: most if len(values) > most else None]
    # One sort for all slices is faster than one scan of the frame for each.
    slot = np.full(len(values) + 1, len(values), dtype=np.intp)
    slot[frequent] = frequent
    slot[-1] = len(values) + 1  # code -1, missing
    slots = slot[codes]
    order = np.argsort(slots, kind="stable")
    limits = np.searchsorted(slots[order], np.arange(len(values) + 3))
    groups = [(_plain(values[code]), order[limits[code] : limits[code + 1]]) for code in frequent]
    groups.sort(key=lambda group: _natural(group[0]))
    rest = [(_OTHER, len(values)), (None, len(values) + 1)]
    groups += [(name, order[limits[at] : limits[at + 1]]) for name, at in rest]
    return [group for group in groups if group[1].size]


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _natural(value: Any) -> tuple[bool, float, str]:
    text = isinstance(value, str)
    return text, 0.0 if text else float(value), value if text else ""


def _few(names: Any) -> str:
    listed = [f"'{name}'" for name in names]
    return ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")


def _outcomes(values: ArrayLike) -> _Floats:
    array = _floats(values, "outcomes")
    if not np.all((array == 0) | (array == 1)):
        raise DataError("Outcomes must be 0 or 1 (False or True). Drop the rows without an outcome.")
    return array


def _probabilities(values: ArrayLike) -> _Floats:
    array = _floats(values, "probabilities")
    if not np.all((array >= 0) & (array <= 1)):
        raise DataError("Probabilities must be between 0 and 1. Drop the rows without a prediction.")
    return array


def _finite(values: ArrayLike, what: str) -> _Floats:
    array = _floats(values, what)
    if not np.all(np.isfinite(array)):
        raise DataError(f"The {what} must be finite. Drop the rows where they are missing or infinite.")
    return array


def _floats(values: ArrayLike, what: str) -> _Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"The {what} must be numbers: {error}. Drop the rows without a number.") from error
    if array.ndim != 1:
        raise DataError(f"The {what} must have one dimension, not {array.ndim}. Pass one number per row.")
    return array


def _check_lengths(first: _Floats, second: _Floats) -> None:
    if first.size != second.size:
        raise DataError(f"There are {first.size} outcomes and {second.size} predictions. Pass one of each per row.")


def _number(value: Any) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _ranking(y: _Floats, p: _Floats) -> tuple[float | None, float | None]:
    """Return AUC and average precision of outcomes sorted by probability."""
    ends = np.append(np.flatnonzero(np.diff(p)), p.size - 1)
    yes = np.cumsum(y)[ends]
    total, below_yes = yes[-1], np.concatenate([[0.0], yes[:-1]])
    if total == 0:
        return None, None
    no = (ends + 1) - yes
    here_no = np.diff(no, prepend=0.0)
    here_yes = yes - below_yes
    precision = (total - below_yes) / (p.size - (ends + 1) + here_yes + here_no)
    average_precision = float(np.sum(here_yes * precision) / total)
    if total == p.size:
        return None, average_precision
    pairs = np.sum(here_yes * ((no - here_no) + here_no / 2))
    return float(pairs / (total * no[-1])), average_precision


def _log_loss(y: _Floats, p: _Floats) -> float | None:
    tiny = np.finfo(np.float64).eps
    clipped = np.clip(p, tiny, 1 - tiny)
    return _number(-np.mean(np.log(np.where(y == 1, clipped, 1 - clipped))))


def _bins(y: _Floats, p: _Floats, *, bins: int) -> tuple[NDArray[np.intp], _Floats, _Floats]:
    """Count, mean probability and rate of bins of rows sorted by probability."""
    if not p.size:
        return np.zeros(0, dtype=np.intp), p, y
    starts = np.unique(np.searchsorted(p, p[np.arange(bins) * p.size // bins]))
    counts = np.diff(np.append(starts, p.size))
    return counts, np.add.reduceat(p, starts) / counts, np.add.reduceat(y, starts) / counts


def _calibration_error(y: _Floats, p: _Floats, *, bins: int) -> float | None:
    counts, probabilities, rates = _bins(y, p, bins=bins)
    return _number(np.sum(counts * np.abs(probabilities - rates)) / y.size)


def _decisions(actual: _Floats, label: _Floats) -> Measures:
    _check_lengths(actual, label)
    correct, predicted, actual_yes = float(np.sum(actual * label)), float(label.sum()), float(actual.sum())
    return {
        "accuracy": _number(np.mean(actual == label)) if actual.size else None,
        "precision": correct / predicted if predicted else None,
        "recall": correct / actual_yes if actual_yes else None,
    }
