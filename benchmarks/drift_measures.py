"""nbship's measures of drift: `python drift_measures.py both|window REFERENCE CURRENT` prints them as JSON.

`both` counts the rows of two Parquet files, column by column. `window` counts those of the second, as `nbship monitor` reads
batch runs, and reads the counts of the first, as a package holds them (`python drift_measures.py reference ROWS TARGET`
writes them).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nbship.model import Field, Signature
from nbship.model.build.reference import Reference, describe, dump_reference, load_reference
from nbship.model.signature import Codes
from nbship.monitoring import drift
from nbship.monitoring.coding import coded_columns
from nbship.tabular import read_chunks

_ROWS = 20_000


def main() -> None:
    """Print the measures of each column."""
    kind, *paths = sys.argv[1:4]
    first, second = map(Path, paths)
    fields = _fields(first if kind == "reference" else second)
    if kind == "reference":
        whole = {field.name: _column(first, field) for field in fields}
        second.write_bytes(dump_reference(describe(whole, Signature(fields), outputs={})))
        return
    found = (
        _of_window(first, second, fields) if kind == "window" else [_of_both(first, second, each) for each in fields]
    )
    print(json.dumps({record["field"]: _shown(record) for record in found}))


def _of_window(reference: Path, current: Path, fields: tuple[Field, ...]) -> list[dict[str, Any]]:
    counts = _counts(load_reference(reference.read_bytes()))
    for chunk in read_chunks(current, fields, rows=_ROWS, coded=True):
        columns = coded_columns(chunk.frame)
        for name, field in counts.items():
            field.add(columns[name])
    return [drift.measure(field.compared(), min_rows=200) for field in counts.values()]


def _of_both(reference: Path, current: Path, field: Field) -> dict[str, Any]:
    described = describe({field.name: _column(reference, field)}, Signature((field,)), outputs={})
    (counts,) = _counts(described).values()
    counts.add(_column(current, field))
    return drift.measure(counts.compared(), min_rows=200)


def _counts(reference: Reference) -> dict[str, drift.FieldCounts]:
    return {name: drift.FieldCounts(name, each) for name, each in reference.fields.items()}


def _column(path: Path, field: Field) -> Any:
    is_coded = field.dtype == "category"
    column = pq.read_table(path, columns=[field.name], read_dictionary=[field.name] if is_coded else []).column(0)
    if not is_coded:
        return column.to_numpy()
    coded = column.unify_dictionaries().combine_chunks()
    known = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    return Codes(coded.indices.fill_null(len(known) - 1).to_numpy(), known)


def _fields(path: Path) -> tuple[Field, ...]:
    return tuple(
        Field(field.name, "float", nullable=True)
        if pa.types.is_floating(field.type)
        else Field(field.name, "category", open=True, nullable=True)
        for field in pq.read_schema(path)
    )


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    ks = record["ks"] and record["ks"]["statistic"]
    measures = {"psi": record["psi"], "jensen_shannon": record["jensen_shannon"], "ks": ks}
    return measures | {"chi_squared": record["chi_squared"]["statistic"]}


if __name__ == "__main__":
    main()
