"""Rows for a model that may have been made for other rows: those that it accepts, and the days of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InvalidInputError
from ..model.signature import Columns, Signature, columns_of, read_rows, to_local
from ..text import listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["accepted_rows", "columns_fitted", "columns_for", "days_of", "without_lookups"]

_MOST_PASSES = 3


def accepted_rows(signature: Signature, frame: pd.DataFrame) -> NDArray[np.intp]:
    """Return the indices of the rows that a signature accepts. Its nullable fields may be missing from the frame.

    Raises
    ------
    DataError
        If the frame lacks a field that is not nullable.
    """
    given, rows = _given(signature, frame), np.arange(len(frame))
    for _ in range(_MOST_PASSES):
        try:
            if len(rows):
                read_rows(signature, given.iloc[rows])
            return rows
        except InvalidInputError as error:
            bad = {failure.row for failure in error.failures if failure.row is not None}
            rows = np.delete(rows, sorted(bad)) if bad else rows[:0]
    return rows[:0]


def columns_for(signature: Signature, frame: pd.DataFrame) -> Columns:
    """Return rows that a signature accepts as columns."""
    return read_rows(signature, _given(signature, frame)).columns


def _given(signature: Signature, frame: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in signature.names if name not in frame]
    needed = [name for name in missing if not signature[name].nullable]
    if needed:
        raise DataError(
            f"The rows lack {listed(needed, quoted=True)}, which the model in production needs. "
            "Pass rows with the columns of both models to the gate."
        )
    return frame.assign(**dict.fromkeys(missing))[list(signature.names)]


def columns_fitted(estimator: Any, frame: Any) -> Any:
    """Return the columns of a frame that an estimator was fitted on; all of them if it has no names of columns.

    Rows for the gate have more columns, such as the event time and slices, and scikit-learn rejects columns that are new.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or not hasattr(frame, "columns") or not set(names) <= set(frame.columns):
        return frame
    return frame[list(names)]


def days_of(frame: pd.DataFrame, signature: Signature) -> NDArray[np.int64] | None:
    """Return the day of each row's event time since 1970, in the event time's zone; None without an event time."""
    name = signature.event_time
    if name is None or name not in frame:
        return None
    times = columns_of(frame[[name]])[name]
    days: NDArray[np.int64] = (
        to_local(times, signature[name].timezone or "UTC").astype("datetime64[D]").astype(np.int64)
    )
    return days


def without_lookups(signature: Signature) -> Signature:
    """Return a signature whose fields all come with the rows.

    >>> from nbship.model import Field
    >>> without_lookups(Signature((Field("x", "int", lookup="t", optional=True, nullable=True),)))["x"].lookup is None
    True
    """
    return replace(signature, inputs=tuple(replace(field, lookup=None) for field in signature.inputs))
