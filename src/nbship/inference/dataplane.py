"""Logged predictions, feedback and results by key, for every transport.

Nothing here knows HTTP: errors have a code, which each transport maps to its own statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputFailure, InvalidInputError, RequestError
from .feedback import LabelCounts, store_feedback
from .logged import Logged
from .pending import PendingPredictions
from .results import Results

__all__ = ["accept_feedback", "find_results", "start_prediction"]


def start_prediction(
    served: Logged, rows: Sequence[Any], *, most_rows: int, caller: str = "", trace: str | None = None
) -> PendingPredictions:
    """Predict for the rows of a request, in any protocol.

    Returns
    -------
    The predictions, to be made by `predict_together`; they may be returned once they are done. A request with invalid rows
    is logged too; `check` of the result raises its error.

    Raises
    ------
    RequestError
        If there are no rows, or too many.
    InvalidInputError
        If a row is not an object.
    """
    check_rows(rows, most_rows)
    return served.prepare(rows, caller=caller, trace=trace)


def accept_feedback(served: Logged, rows: Sequence[Any], *, most_rows: int) -> LabelCounts:
    """Store actual outcomes, reported by prediction id or by key.

    Raises
    ------
    RequestError
        If there are no rows, or too many.
    InvalidInputError
        With every invalid field of every row.
    LogError
        If the log cannot be written.
    """
    check_rows(rows, most_rows)
    return store_feedback(served.log, rows, signature=served.signature)


def find_results(results: Results | None, rows: Sequence[Any], *, most_rows: int) -> list[dict[str, Any] | None]:
    """Return the prediction of a batch run for each key; None for a key that the run does not have.

    Raises
    ------
    RequestError
        If no results are served, there are no rows, or too many.
    InvalidInputError
        With every invalid field of every row.
    """
    if results is None:
        raise RequestError("not_found", "No results are served. Name them: `nbship serve --results scored.parquet`.")
    check_rows(rows, most_rows)
    wrong = [
        InputFailure(number, name[:80], "is unknown; send 'key' with the key columns")
        for number, row in enumerate(rows)
        for name in row
        if name != "key"
    ]
    if wrong:
        raise InvalidInputError(wrong)
    return results.find([row.get("key") for row in rows])


def check_rows(rows: Sequence[Any], most: int) -> None:
    """Check that there are rows, at most `most`, and that all are objects."""
    if not rows:
        raise RequestError("invalid_input", "The list is empty. Send at least one record.")
    if len(rows) > most:
        raise RequestError(
            "too_large",
            f"There are {len(rows):,} rows. Send at most {most:,} at a time, or use 'nbship predict' on a file.",
        )
    wrong = [
        InputFailure(number, None, f"is {_kind(row)}, not an object with the model's fields")
        for number, row in enumerate(rows)
        if type(row) is not dict and not isinstance(row, Mapping)
    ]
    if wrong:
        raise InvalidInputError(wrong)


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
