"""The tables that a batch run writes for a chunk: predicted rows and rejected rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import InputFailure
from ...model.signature import Signature
from ...predictor import Predictions
from ...tabular import Chunk

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["predicted_table", "rejected_table"]


def predicted_table(
    id: str, chunk: Chunk, frame: pd.DataFrame, predictions: Predictions, signature: Signature, *, text: bool
) -> pa.Table:
    """Return keys, prediction ids and outputs of the predicted rows.

    Parameters
    ----------
    text
        Whether the output format is CSV or JSON Lines. Keys are then copied from the input unchanged.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as compute

    numbers = np.asarray(frame.index)
    columns: dict[str, Any] = {}
    for name in signature.keys:
        # Parsed and written again, the key "007" could become "7", which no longer joins with the input.
        given = chunk.table.column(name) if name in chunk.table.column_names else None
        # A table of JSON Lines has one column of bytes, with whole lines.
        if text and given is not None and not _is_bytes(given.type):
            columns[name] = given.take(pa.array(numbers - chunk.index.start))
        else:
            column = pa.Array.from_pandas(frame[name])
            columns[name] = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    strings = compute.cast(pa.array(numbers), pa.string())
    columns["prediction_id"] = compute.binary_join_element_wise(f"{id}-", strings, "")
    columns |= {name: pa.array(values) for name, values in predictions.columns().items()}
    return pa.table(columns)


def rejected_table(chunk: Chunk, failures: Sequence[InputFailure]) -> pa.Table:
    """Return the rejected rows as they were read, with row numbers and reasons."""
    import pyarrow as pa

    reasons: dict[int, list[str]] = {}
    for failure in failures:
        words = f"{failure.field}: {failure.reason}" if failure.field else failure.reason
        reasons.setdefault(failure.row or 0, []).append(words)
    rows = sorted(reasons)
    positions = pa.array([row - chunk.index.start for row in rows])
    added = {"row": pa.array(rows), "reason": pa.array(["; ".join(reasons[row]) for row in rows])}
    given = [_as_text(column, positions) for column in chunk.table.columns]
    # The input may have columns of these names, so this is not a dictionary.
    return pa.table([*added.values(), *given], names=[*added, *chunk.table.column_names])


def _as_text(column: pa.ChunkedArray, positions: pa.Array) -> pa.ChunkedArray:
    """Return some values of a column as CSV can represent them."""
    import pyarrow as pa

    # Arrow does not take nested values of every type.
    if pa.types.is_nested(column.type):
        values = [column[position].as_py() for position in positions.to_pylist()]
        return pa.chunked_array([pa.array([None if value is None else str(value) for value in values], pa.string())])
    column = column.take(positions)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if _is_bytes(column.type):
        texts = [None if value is None else value.decode("utf-8", "replace") for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_binary(plain) or types.is_large_binary(plain))
