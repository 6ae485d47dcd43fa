"""New segments: values, and combinations of two values, that training never had, and how good predictions are there.

A model has learnt nothing of a new shop, or of a product that a shop never sold before. So they are named with their rows
and the day on which they were first seen, and their errors are compared with those of the other rows once labels are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...metrics import holm
from ...model.build import LEAST_OF_PAIR
from ...text import counted, listed
from ..coding import Coded
from ..verdict import NOTICE, UNSEEN, WARNING
from .contrasts import Contrast, Errors, contrast
from .discovery import LEAST_TIMES
from .measures import Outcomes
from .tabulated import Cell

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pairs", "new_segments"]

# The least number and share of rows of a new segment, and the most that are listed.
_LEAST_ROWS, _LEAST_SHARE, _MOST = 20, 0.005, 20
# A combination that training had in a few rows is new if it is this improbable in as many rows as the window has of it.
_IMPROBABLE = 1e-4
# Codes of pairs are counted in an array of at most this size, and sorted beyond.
_MOST_COUNTED = 1_000_000
_MOST_LETTERS = 60


class Pairs(NamedTuple):
    """The combinations of values of two fields in training.

    Attributes
    ----------
    seen
        Two fields -> the sorted numbers `a * (number of values of b) + b` of combinations with at least five rows.
    rows
        The number of training rows.
    """

    seen: Mapping[tuple[str, str], NDArray[np.int64]]
    rows: int


def new_segments(
    frame: pd.DataFrame,
    inputs: Mapping[str, Coded],
    pairs: Pairs | None,
    *,
    kind: str,
    alpha: float,
    earlier: Sequence[Sequence[Mapping[str, Any]]] = (),
    zone: tzinfo = UTC,
) -> list[dict[str, Any]]:
    """Find the new segments of a window.

    Parameters
    ----------
    frame
        One row per prediction: `event_time` with a zone, `predicted` and `actual` (NaN while unknown).
    inputs
        The inputs of the rows.
    pairs
        The combinations of the training data; None if the package does not store them.
    kind
        What is predicted: "probability" or "value".
    alpha
        The probability that a segment as good as the other rows has a warning, all segments together.
    earlier
        This section of the reports of earlier windows, oldest first.
    zone
        The project's time zone, which divides days.

    Returns
    -------
    list
        For each segment, the largest first: `slice` (its fields), `where` (a list of `field` and `value`), `rows`, `share`,
        `first_seen` (a day, of an earlier window if it was new there), `labelled`, `error` and `others` (mean errors of its
        rows, and of rows with such predictions), `p_value` (corrected for the number of segments), `verdict`, `kind` and `reason`.
    """
    cells = sorted(_cells(inputs, pairs, len(frame)), key=lambda one: -one[1])[:_MOST]
    if not cells:
        return []
    known = Outcomes.of(frame, zone)
    errors = Errors.of(known, kind)
    masks = [cell.rows_of(inputs) for cell, _ in cells]
    contrasts = [contrast(mask[known.rows], errors) for mask in masks]
    p_values = holm([each.p_value for each in contrasts])
    first = [frame["event_time"][mask].min().tz_convert(zone).date().isoformat() for mask in masks]
    return [
        _record(cell, inputs, rows, rows / len(frame), day, found, p_value, alpha, earlier)
        for (cell, rows), day, found, p_value in zip(cells, first, contrasts, p_values, strict=True)
    ]


def _cells(inputs: Mapping[str, Coded], pairs: Pairs | None, rows: int) -> Iterator[tuple[Cell, int]]:
    least = max(_LEAST_ROWS, _LEAST_SHARE * rows)
    for name, each in inputs.items():
        if each.known is not None and len(each.labels) > each.known + 1:
            counts = np.bincount(each.codes[each.codes >= 0], minlength=len(each.labels))
            for code in (each.known + 1 + np.flatnonzero(counts[each.known + 1 :] >= least)).tolist():
                yield Cell((name,), (code,)), int(counts[code])
    for names, seen in (pairs.seen if pairs else {}).items():
        if all(name in inputs for name in names):
            yield from _new_pairs(names, seen, [inputs[name] for name in names], least, rows, pairs.rows if pairs else 0)  # fmt: skip


def _new_pairs(
    names: tuple[str, str], seen: NDArray[np.int64], fields: Sequence[Coded], least: float, rows: int, trained: int
) -> Iterator[tuple[Cell, int]]:
    first, second = fields
    assert first.known is not None
    assert second.known is not None
    # A value that is new, or missing, is a finding of its own.
    inside = (first.codes >= 0) & (first.codes < first.known) & (second.codes >= 0) & (second.codes < second.known)
    index = first.codes[inside].astype(np.int64) * second.known + second.codes[inside]
    numbers, counts = _counted(index, first.known * second.known)
    frequent = (counts >= least) & ~np.isin(numbers, seen)
    for number, count in zip(numbers[frequent].tolist(), counts[frequent].tolist(), strict=True):
        if _tail(count, rows * LEAST_OF_PAIR / max(trained, 1)) < _IMPROBABLE:
            yield Cell(names, divmod(number, second.known)), count


def _counted(index: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if size > _MOST_COUNTED:
        return np.unique(index, return_counts=True)
    counts = np.bincount(index, minlength=size)
    return np.flatnonzero(counts), counts[counts > 0]


def _tail(rows: int, expected: float) -> float:
    """Return the probability of at least so many rows where some are expected (Poisson)."""
    from scipy.special import gammainc  # type: ignore[import-untyped]

    return float(gammainc(rows, expected))


def _record(
    cell: Cell, inputs: Mapping[str, Coded], rows: int, share: float, day: str, found: Contrast, p_value: float, alpha: float,
    earlier: Sequence[Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:  # fmt: skip
    where = [
        {"field": name, "value": str(inputs[name].labels[code])[:_MOST_LETTERS]}
        for name, code in zip(cell.fields, cell.codes, strict=True)
    ]
    before = [one["first_seen"] for section in earlier for one in section if one.get("where") == where]
    is_worse = p_value < alpha and (found.error or 0.0) >= LEAST_TIMES * (found.others or 0.0)
    return {
        "slice": listed(cell.fields, most=2),
        "where": where,
        "rows": rows,
        "share": share,
        "first_seen": min([*before, day]),
        "labelled": found.rows,
        "error": found.error,
        "others": found.others,
        "p_value": p_value,
        "verdict": WARNING if is_worse else NOTICE,
        "kind": UNSEEN,
        "reason": f"{_words(where, rows, share)}; first seen on {min([*before, day])}. {_error_words(found)}",
    }


def _words(where: Sequence[Mapping[str, str]], rows: int, share: float) -> str:
    values = " and ".join(f"{one['field']} '{one['value']}'" for one in where)
    what, never = ("the combination of ", "hardly ever") if len(where) > 1 else ("", "never")
    return f"{counted(rows, 'row')} ({share:.1%}) have {what}{values}, which training {never} had"


def _error_words(found: Contrast) -> str:
    if found.error is None:
        return "None of them has a label yet."
    if found.others is None:
        return "No other row has a label, to compare the error with."
    labelled = f"({counted(found.rows, 'row')} with a label)"
    if not found.others:
        return f"The error there is {found.error:.3g}, and 0 in other rows with such predictions {labelled}."
    return f"The error there is {found.error / found.others:.1f} times that of other rows with such predictions {labelled}."
