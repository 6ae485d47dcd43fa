"""Measures of probabilities of a binary outcome."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import Floats, Measures, check_lengths, number_or_none, outcomes_of, probabilities_of
from .blocks import block_auc, block_mean, block_numbers

__all__ = ["calibration_curve", "classification"]


def classification(
    actual: ArrayLike, probability: ArrayLike, *, label: ArrayLike | None = None, blocks: ArrayLike | None = None
) -> Measures:
    """Measure predicted probabilities of a binary outcome.

    Parameters
    ----------
    actual
        The outcomes, shape (n,): True or 1, False or 0.
    probability
        The predicted probabilities of 1, shape (n,), from 0 to 1.
    label
        The predicted labels, shape (n,), for accuracy, precision and recall.
    blocks
        What rows that are alike share, shape (n,), such as the day, for the errors of measures.

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
        with `label`: `accuracy`, `precision`, `recall`;
        with `blocks`: `blocks` (their number), `auc_error` and `brier_error` (standard errors, see `block_auc`).

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
    y, p = outcomes_of(actual), probabilities_of(probability)
    check_lengths(y, p)
    n, positives = y.size, int(y.sum())
    measures: Measures = {"n": n, "positives": positives, "base_rate": None, "mean_probability": None}
    measures |= dict.fromkeys(("auc", "average_precision", "brier", "log_loss", "calibration_error"))
    if n:
        order = np.argsort(p, kind="stable")
        y, p = y[order], p[order]
        measures["base_rate"], measures["mean_probability"] = positives / n, number_or_none(p.mean())
        measures["auc"], measures["average_precision"] = _ranking(y, p)
        measures["brier"], measures["log_loss"] = number_or_none(np.mean((p - y) ** 2)), _log_loss(y, p)
        measures["calibration_error"] = _calibration_error(y, p, bins=10)
    if label is not None:
        measures |= _decisions(outcomes_of(actual), outcomes_of(label))
    if blocks is not None:
        measures |= _errors(outcomes_of(actual), probabilities_of(probability), block_numbers(blocks))
    return measures


def _errors(y: Floats, p: Floats, block: NDArray[np.intp]) -> Measures:
    area, brier = block_auc(y, p, block), block_mean((p - y) ** 2, block)
    return {"blocks": brier.blocks, "auc_error": area.error, "brier_error": brier.error}


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
    y, p = outcomes_of(actual), probabilities_of(probability)
    check_lengths(y, p)
    order = np.argsort(p, kind="stable")
    counts, probabilities, rates = _bins(y[order], p[order], bins=bins)
    return [
        {"probability": float(mean), "rate": float(rate), "n": int(n)}
        for n, mean, rate in zip(counts, probabilities, rates, strict=True)
    ]


def _ranking(y: Floats, p: Floats) -> tuple[float | None, float | None]:
    """Return AUC and average precision of outcomes sorted by probability.

    The AUC is the share of pairs of a positive and a negative in the right order; equal probabilities count half. For
    example, the outcomes 0, 1, 0, 1 in order of probability have 1 + 2 = 3 such pairs of 2 * 2: the AUC is 0.75.
    """
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


def _log_loss(y: Floats, p: Floats) -> float | None:
    tiny = np.finfo(np.float64).eps
    clipped = np.clip(p, tiny, 1 - tiny)
    return number_or_none(-np.mean(np.log(np.where(y == 1, clipped, 1 - clipped))))


def _bins(y: Floats, p: Floats, *, bins: int) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Count, mean probability and rate of bins of rows sorted by probability."""
    if not p.size:
        return np.zeros(0, dtype=np.intp), p, y
    # Move the start of a bin to the first row with its probability, so that equal probabilities share a bin.
    starts = np.unique(np.searchsorted(p, p[np.arange(bins) * p.size // bins]))
    counts = np.diff(np.append(starts, p.size))
    return counts, np.add.reduceat(p, starts) / counts, np.add.reduceat(y, starts) / counts


def _calibration_error(y: Floats, p: Floats, *, bins: int) -> float | None:
    counts, probabilities, rates = _bins(y, p, bins=bins)
    return number_or_none(np.sum(counts * np.abs(probabilities - rates)) / y.size)


def _decisions(actual: Floats, label: Floats) -> Measures:
    check_lengths(actual, label)
    correct, predicted, actual_yes = float(np.sum(actual * label)), float(label.sum()), float(actual.sum())
    return {
        "accuracy": number_or_none(np.mean(actual == label)) if actual.size else None,
        "precision": correct / predicted if predicted else None,
        "recall": correct / actual_yes if actual_yes else None,
    }
