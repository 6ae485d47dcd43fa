"""nbship's measures of drift: `python drift_measures.py both|window REFERENCE CURRENT` prints them as JSON.

`both` counts the rows of two Parquet files. `window` counts those of the second, and reads the counts of the first, as a
package holds them (`python drift_measures.py reference ROWS TARGET` writes them).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nbship.model import Field, Signature
from nbship.model.build.reference import Reference, describe, dump_reference, load_reference
from nbship.monitoring import drift
from nbship.monitoring.coding import coded_columns
from nbship.tabular import read_chunks


def main() -> None:
    """Print the measures of each column."""
    kind, *paths = sys.argv[1:4]
    first, second = map(Path, paths)
    signature = _signature(second if kind != "reference" else first)
    if kind == "reference":
        second.write_bytes(dump_reference(_described(first, signature)))
        return
    reference = load_reference(first.read_bytes()) if kind == "window" else _described(first, signature)
    counts = {name: drift.FieldCounts(name, each) for name, each in reference.fields.items()}
    for chunk in read_chunks(second, signature.inputs, coded=True):
        columns = coded_columns(chunk.frame)
        for name, field in counts.items():
            field.add(columns[name])
    records = {name: drift.measure(field.compared(), min_rows=200) for name, field in counts.items()}
    print(json.dumps({name: _shown(record) for name, record in records.items()}))


def _signature(path: Path) -> Signature:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {field.name for field in pq.read_schema(path) if pa.types.is_floating(field.type)}
    names = pq.read_schema(path).names
    return Signature(
        tuple(
            Field(name, "float", nullable=True)
            if name in numbers
            else Field(name, "category", open=True, nullable=True)
            for name in names
        )
    )


def _described(path: Path, signature: Signature) -> Reference:
    (chunk,) = read_chunks(path, signature.inputs, rows=10**9, coded=True)
    return describe(coded_columns(chunk.frame), signature, outputs={})


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    ks = record["ks"] and record["ks"]["statistic"]
    measures = {"psi": record["psi"], "jensen_shannon": record["jensen_shannon"], "ks": ks}
    return measures | {"chi_squared": record["chi_squared"]["statistic"]}


if __name__ == "__main__":
    main()
