"""The tables that a batch run writes for a chunk: predicted rows and rejected rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import InputFailure
from ...model.signature import Signature
from ...prediction_log import store_rejected
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
        Whether the output format is CSV or JSON Lines. Strings of keys are then copied from the input unchanged.
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
        if text and given is not None and not _is_bytes(given.type) and not _is_number(given.type):
            columns[name] = given.take(pa.array(numbers - chunk.index.start))
        else:
            column = pa.Array.from_pandas(frame[name])
            columns[name] = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    strings = compute.cast(pa.array(numbers), pa.string())
    columns["prediction_id"] = compute.binary_join_element_wise(f"{id}-", strings, "")
    columns |= {name: pa.array(values) for name, values in predictions.columns().items()}
    return pa.table(columns)


def rejected_table(
    chunk: Chunk, failures: Sequence[InputFailure], signature: Signature, *, salt: bytes | None = None
) -> pa.Table:
    """Return the rejected rows with row numbers and reasons.

    Parameters
    ----------
    salt
        The log's salt for pseudonyms; without it, the rows are returned as they were read.
    """
    import pyarrow as pa

    reasons: dict[int, list[str]] = {}
    for failure in failures:
        words = f"{failure.field}: {failure.reason}" if failure.field else failure.reason
        reasons.setdefault(failure.row or 0, []).append(words)
    rows = sorted(reasons)
    positions = pa.array([row - chunk.index.start for row in rows])
    added = {"row": pa.array(rows), "reason": pa.array(["; ".join(reasons[row]) for row in rows])}
    if salt is None:
        names, given = chunk.table.column_names, [_as_text(column, positions) for column in chunk.table.columns]
    else:
        # A row with a problem of its own may have a value in the column of another.
        misread = {(failure.row or 0) - chunk.index.start for failure in failures if failure.field is None}
        redacted = _redacted_columns(chunk.table, positions.to_pylist(), misread, signature, salt)
        names, given = list(redacted), list(redacted.values())
    # The input may have columns of these names, so this is not a dictionary.
    return pa.table([*added.values(), *given], names=[*added, *names])


def _redacted_columns(
    table: pa.Table, positions: Sequence[int], misread: Collection[int], signature: Signature, salt: bytes
) -> dict[str, pa.Array]:
    """Return rows as the log stores rejected ones; those that were misread have no values."""
    import pyarrow as pa

    is_lines = table.column_names == ["line"] and _is_bytes(table.schema.field("line").type)
    names = [name for name in table.column_names if is_lines or name in signature.names]
    stored: list[Mapping[str, Any]] = []
    for position in positions:
        values = {name: _decoded(_value(table.column(name)[position])) for name in names if position not in misread}
        row = _record(values["line"]) if is_lines and values else values
        stored.append(store_rejected(row, signature, salt=salt))
    if is_lines:
        lines = [json.dumps(row, default=str) if row else None for row in stored]
        return {"line": pa.array(lines, pa.string())}
    columns = {name: [row.get(name) for row in stored] for name in names if signature[name].pii != "drop"}
    return {
        name: pa.array([None if value is None else str(value) for value in column], pa.string())
        for name, column in columns.items()
    }


def _value(scalar: pa.Scalar) -> Any:
    """Return the value in Python; a date or timestamp that Python does not have as a string."""
    import pyarrow as pa

    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return scalar.cast(pa.string()).as_py()


def _decoded(value: Any) -> Any:
    """Return a value of a table; an empty string of CSV is none."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return None if text == "" else text


def _record(line: str) -> Mapping[str, Any]:
    with suppress(ValueError):
        if isinstance(found := json.loads(line), dict):
            return found
    return {}


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


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_floating(kind) or types.is_decimal(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_binary(plain) or types.is_large_binary(plain))
