"""The distributions of inputs and predictions in training: counts of bins and categories, never rows.

`reference.parquet` has one row for each bin and category, and one for missing values. Numbers have at most 100 bins
between their quantiles, and one bin on either side for values outside the range of the training data. A bin holds the
values above its lower edge, up to and including its upper edge. For free text and personal data, only missing and
present values are counted.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..signature import Column, Field, Signature
from ..stored_files import reading

__all__ = ["Distribution", "count", "describe", "dump_reference", "load_reference"]

_BINS = 100


@dataclass(frozen=True)
class Distribution:
    """The counts of one field.

    Attributes
    ----------
    kind
        "number" (bins), "category", or "text" (only missing or not).
    role
        "input" or "output".
    edges
        The edges of bins, shape (bins + 1,); the outer edges are infinite.
    categories
        The sorted categories.
    counts
        The number of rows in each bin or category; for text, one number: rows with a value.
    missing
        Rows without a value.
    """

    kind: str
    role: str
    counts: Column
    missing: int
    edges: Column | None = None
    categories: tuple[str, ...] | None = None

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return int(self.counts.sum()) + self.missing


def describe(
    columns: Mapping[str, Column], signature: Signature, *, outputs: Mapping[str, Column]
) -> dict[str, Distribution]:
    """Count inputs (columns of the signature) and outputs (kind -> array)."""
    found = {
        field.name: _describe(columns[field.name], field) for field in signature.inputs if field.dtype != "datetime"
    }
    for kind, values in outputs.items():
        numeric = kind.partition(".")[0] != "label"
        column = np.asarray(values, dtype=np.float64) if numeric else np.array([str(v) for v in values], dtype=object)
        found[kind] = _numbers(column, "output") if numeric else _categories(column, "output")
    return found


def _describe(column: Column, field: Field) -> Distribution:
    if field.pii or field.dtype == "string":
        missing = _nulls(column)
        return Distribution("text", "input", np.array([int((~missing).sum())]), int(missing.sum()))
    if field.dtype == "category":
        return _categories(column, "input")
    if field.dtype == "bool":
        values = np.array(
            [None if value != value else str(bool(value)).lower() for value in column.tolist()], dtype=object
        )
        return _categories(values, "input")
    return _numbers(column.astype(np.float64), "input")


def _numbers(values: Column, role: str) -> Distribution:
    known = np.sort(values[np.isfinite(values)])
    inner = known
    if len(known):
        between = np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1], method="lower")
        # The outer bins are for values outside the range of the training data, so they are empty here.
        inner = np.unique(np.concatenate([[np.nextafter(known[0], -np.inf)], between, [known[-1]]]))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    return Distribution("number", role, _in_bins(known, edges), int(len(values) - len(known)), edges=edges)


def _in_bins(values: Column, edges: Column) -> Column:
    # Sorting once and searching for each edge is several times faster than searching the edges for each value.
    upto = np.searchsorted(np.sort(values), edges[1:-1], side="right")
    return np.diff(upto, prepend=0, append=len(values))


def _categories(values: Column, role: str) -> Distribution:
    counts, missing = _frequencies(values)
    names = sorted(counts)
    return Distribution(
        "category", role, np.array([counts[name] for name in names], dtype=np.int64), missing, categories=tuple(names)
    )


def _frequencies(values: Column) -> tuple[dict[str, int], int]:
    """Return the frequency of each string, and the number of missing values."""
    import pandas as pd

    codes, names = pd.factorize(values)
    known = codes[codes >= 0]
    found: dict[str, int] = {}
    for name, rows in zip(names.tolist(), np.bincount(known, minlength=len(names)).tolist(), strict=True):
        found[str(name)] = found.get(str(name), 0) + rows
    return found, len(values) - len(known)


def _nulls(values: Column) -> Column:
    if values.dtype.kind == "O":
        return np.array([value is None or value != value for value in values], dtype=bool)
    return np.isnat(values) if values.dtype.kind == "M" else np.isnan(values.astype(np.float64))


def count(values: Column, like: Distribution) -> tuple[Column, int, dict[str, int]]:
    """Count values in the bins or categories of a distribution.

    Parameters
    ----------
    values
        Numbers (NaN is missing) or strings (None is missing), shape (n,).

    Returns
    -------
    tuple
        The counts in the order of `like.counts`, the number of missing values, and the frequencies of categories that
        `like` does not have.
    """
    if like.kind == "number":
        numbers = values.astype(np.float64)
        known = numbers[np.isfinite(numbers)]
        assert like.edges is not None
        return _in_bins(known, like.edges), len(numbers) - len(known), {}
    if like.kind == "text":
        missing = _nulls(values)
        return np.array([int((~missing).sum())]), int(missing.sum()), {}
    found, without = _frequencies(values)
    known_counts = np.array([found.pop(name, 0) for name in like.categories or ()], dtype=np.int64)
    return known_counts, without, found


_COLUMNS = ("field", "role", "kind", "lower", "upper", "category", "count")


def _schema() -> Any:
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.string(), pa.float64(), pa.float64(), pa.string(), pa.int64())
    return pa.schema(list(zip(_COLUMNS, kinds, strict=True)))


def dump_reference(distributions: Mapping[str, Distribution]) -> bytes:
    """Return the bytes of `reference.parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [row for name, each in distributions.items() for row in _rows(name, each)]
    table = pa.Table.from_pylist([dict(zip(_COLUMNS, row, strict=True)) for row in rows], schema=_schema())
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _rows(name: str, each: Distribution) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for index, number in enumerate(each.counts.tolist()):
        lower, upper = (
            (float(each.edges[index]), float(each.edges[index + 1])) if each.edges is not None else (None, None)
        )
        category = each.categories[index] if each.categories is not None else None
        rows.append((name, each.role, each.kind, lower, upper, category, number))
    return [*rows, (name, each.role, "missing", None, None, None, each.missing)]


def load_reference(data: bytes) -> dict[str, Distribution]:
    """Read the bytes of `reference.parquet`.

    Raises
    ------
    CorruptPackageError
        If the bytes are not such a file.
    """
    import pyarrow.parquet as pq

    with reading("reference.parquet"):
        table = pq.read_table(io.BytesIO(data))
        fields: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in table.select(_COLUMNS).cast(_schema()).to_pylist():
            fields.setdefault((row["field"], row["role"]), []).append(row)
        return {name: _distribution(role, inner) for (name, role), inner in fields.items()}


def _distribution(role: str, rows: list[dict[str, Any]]) -> Distribution:
    missing = sum(row["count"] for row in rows if row["kind"] == "missing")
    known = [row for row in rows if row["kind"] != "missing"]
    kind = known[0]["kind"] if known else "category"
    counts = np.array([row["count"] for row in known], dtype=np.int64)
    edges = np.array([known[0]["lower"], *(row["upper"] for row in known)]) if kind == "number" else None
    categories = tuple(row["category"] for row in known) if kind == "category" else None
    return Distribution(kind, role, counts, missing, edges=edges, categories=categories)
