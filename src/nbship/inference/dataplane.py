"""What every transport shares: rows within limits in, logged predictions out; feedback; results by key.

Nothing here knows HTTP: what is wrong is raised with a code, and each transport has one table of its own statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputFailure, InvalidInputError, RequestError
from .feedback import LabelCounts, store_feedback
from .logged import Logged, PendingPredictions
from .results import Results

__all__ = ["accept_feedback", "find_results", "start_prediction"]


def start_prediction(
    served: Logged, rows: Sequence[Any], *, most_rows: int, caller: str = "", trace: str | None = None
) -> PendingPredictions:
    """Predict for the rows of a request, whatever protocol they came by.

    Returns
    -------
    What may be answered once it is in the log; invalid rows are logged too, and raised by its `check`.

    Raises
    ------
    RequestError
        If there are no rows, too many, or rows that are not objects.
    LogError
        If the log is closed.
    """
    check_rows(rows, most_rows)
    return served.begin(rows, caller=caller, trace=trace)


def accept_feedback(served: Logged, rows: Sequence[Any], *, most_rows: int) -> LabelCounts:
    """Store what truly happened, reported by prediction id or by key.

    Raises
    ------
    RequestError
        As `start_prediction` does.
    InvalidInputError
        With every wrong field of every row.
    LogError
        If the log cannot be written.
    """
    check_rows(rows, most_rows)
    return store_feedback(served.log, rows, signature=served.signature)


def find_results(results: Results | None, rows: Sequence[Any], *, most_rows: int) -> list[dict[str, Any] | None]:
    """Return what a batch run predicted for each key; None for a key that it did not have.

    Raises
    ------
    RequestError
        If no results are served, or as `start_prediction` does.
    InvalidInputError
        With every wrong field of every row.
    """
    if results is None:
        raise RequestError("not_found", "No results are served. Name them: `nbship serve --results scored.parquet`.")
    check_rows(rows, most_rows)
    wrong = [
        InputFailure(number, name[:80], "is not known here; send 'key' with the key columns")
        for number, row in enumerate(rows)
        for name in row
        if name != "key"
    ]
    if wrong:
        raise InvalidInputError(wrong)
    return results.find([row.get("key") for row in rows])


def check_rows(rows: Sequence[Any], most: int) -> None:
    """Raise RequestError unless there are rows, no more than `most`, and all are objects."""
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
        if not isinstance(row, Mapping)
    ]
    if wrong:
        raise InvalidInputError(wrong)


def _kind(value: Any) -> str:
    names = {list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
