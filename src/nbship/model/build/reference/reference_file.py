"""`reference.parquet`: a row for each bin and category of a field, one for its missing values, and their counts by period."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...signature import Column
from ...stored_files import reading
from .distributions import Distribution, Reference
from .periods import Periods

__all__ = ["dump_reference", "load_reference"]

_COLUMNS = ("field", "role", "kind", "lower", "upper", "category", "count")
# Since format 2 of packages. The counts of a group's periods are in the row of its first bin.
_ADDED = ("given", "periods")
_PERIODS = b"periods"
# The combinations of two fields are in one row, as numbers in the place of periods.
_PAIR = "pair"


def _schema() -> Any:
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.string(), pa.float64(), pa.float64(), pa.string(), pa.int64())
    added = (pa.list_(pa.string()), pa.list_(pa.int64()))
    return pa.schema(list(zip((*_COLUMNS, *_ADDED), (*kinds, *added), strict=True)))


def dump_reference(reference: Reference) -> bytes:
    """Return the bytes of `reference.parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [row for name, each in reference.fields.items() for row in _rows(name, each)]
    rows += _rows_of_pairs(reference)
    schema = _schema()
    if reference.periods is not None:
        schema = schema.with_metadata({_PERIODS: _described(reference.periods)})
    table = pa.Table.from_pylist([dict(zip((*_COLUMNS, *_ADDED), row, strict=True)) for row in rows], schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _rows_of_pairs(reference: Reference) -> list[tuple[Any, ...]]:
    return [
        (" × ".join(names), _PAIR, "pairs", None, None, None, len(numbers), list(names), numbers.tolist())
        for names, numbers in (reference.pairs or {}).items()
    ]


def _described(periods: Periods) -> bytes:
    counts = {"rows": periods.rows.tolist(), "duplicates": periods.duplicates.tolist()}
    return json.dumps({"days": periods.days, "first": periods.first, "zone": periods.zone, **counts}).encode()


def _rows(name: str, each: Distribution) -> list[tuple[Any, ...]]:
    starts = {int(start): place for place, start in enumerate(each.groups)}
    given = None if each.given is None else list(each.given)
    rows: list[tuple[Any, ...]] = []
    for index, number in enumerate(each.counts.tolist()):
        lower, upper = (
            (float(each.edges[index]), float(each.edges[index + 1])) if each.edges is not None else (None, None)
        )
        category = each.categories[index] if each.categories is not None else None
        by_period = _listed(each.periods, starts[index]) if index in starts else None
        rows.append((name, each.role, each.kind, lower, upper, category, number, given, by_period))
    rows.append((name, each.role, "missing", None, None, None, each.missing, given, _listed(each.periods, -1)))
    if each.repeats is not None:
        repeats = each.repeats.tolist()
        rows.append((name, each.role, "repeats", None, None, None, sum(repeats), given, repeats))
    if each.known is not None:
        # The known values, and in the place of a count the rows of a million whose value a period has alone.
        rows += [(name, each.role, "value", value, value, None, 0, given, None) for value in each.known.tolist()]
        rows.append((name, each.role, "alone", None, None, None, round(each.alone * 1e6), given, None))
    return rows


def _listed(periods: Column | None, column: int) -> list[int] | None:
    return None if periods is None else periods[:, column].tolist()


def load_reference(data: bytes) -> Reference:
    """Read the bytes of `reference.parquet`; those of packages of format 1 have no periods, those of older ones no pairs.

    Raises
    ------
    CorruptPackageError
        If the bytes are not such a file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading("reference.parquet"):
        table = pq.read_table(io.BytesIO(data))
        schema, metadata = _schema(), table.schema.metadata or {}
        for name in _ADDED:
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
        fields: dict[tuple[str, str], list[dict[str, Any]]] = {}
        pairs: dict[tuple[str, str], NDArray[np.int64]] = {}
        for row in table.select(schema.names).cast(schema).to_pylist():
            if row["role"] == _PAIR:
                pairs[row["given"][0], row["given"][1]] = np.array(row["periods"], dtype=np.int64)
            else:
                fields.setdefault((row["field"], row["role"]), []).append(row)
        distributions = {name: _distribution(role, inner) for (name, role), inner in fields.items()}
        described = json.loads(metadata[_PERIODS]) if _PERIODS in metadata else None
        return Reference(distributions, described and _periods(described), pairs or None)


def _periods(described: dict[str, Any]) -> Periods:
    counts = (np.array(described[name], dtype=np.int64) for name in ("rows", "duplicates"))
    return Periods(int(described["days"]), str(described["first"]), str(described["zone"]), *counts)


def _distribution(role: str, rows: list[dict[str, Any]]) -> Distribution:
    missing = [row for row in rows if row["kind"] == "missing"]
    repeats = [row["periods"] for row in rows if row["kind"] == "repeats"]
    known = [row for row in rows if row["kind"] not in ("missing", "repeats", "value", "alone")]
    values = [row["lower"] for row in rows if row["kind"] == "value"]
    kind = known[0]["kind"] if known else "category"
    edges = np.array([known[0]["lower"], *(row["upper"] for row in known)]) if kind == "number" else None
    categories = tuple(row["category"] for row in known) if kind in ("category", "hour") else None
    by_period = [row["periods"] for row in (*known, *missing) if row["periods"] is not None]
    given = rows[0]["given"]
    return Distribution(
        kind,
        role,
        np.array([row["count"] for row in known], dtype=np.int64),
        sum(row["count"] for row in missing),
        edges=edges,
        categories=categories,
        periods=np.array(by_period, dtype=np.int64).T if by_period else None,
        repeats=np.array(repeats[0], dtype=np.int64) if repeats else None,
        known=np.array(values) if values else None,
        alone=sum(row["count"] for row in rows if row["kind"] == "alone") / 1e6,
        given=None if given is None else (given[0], given[1], given[2]),
    )
