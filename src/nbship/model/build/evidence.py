"""The evidence in a package: golden rows with their outputs, and the distributions of the training rows.

The outputs come from the packaged model, loaded from the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import SignatureError
from ..package import GOLDEN_OUTPUT, Package, PackagedModel, json_bytes, make_manifest, parquet_bytes, read_manifest
from ..signature import Field, Signature, example_record, read_rows
from .reference import describe, dump_reference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["gather_evidence"]

_EXAMPLE_CANDIDATES = 1000


def gather_evidence(
    name: str,
    files: Mapping[str, bytes],
    signature: Signature,
    *,
    report: Mapping[str, Any],
    golden: pd.DataFrame,
    reference: pd.DataFrame,
    metrics: Mapping[str, Any] | None,
    verdict: Mapping[str, Any] | None,
    given: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """Predict the golden and the reference rows with the packaged model, and return the files with the results."""
    model = PackagedModel(Package(read_manifest(make_manifest(name, files)), files))
    rows = _without_personal(golden[[n for n in signature.names if n in golden]], signature)
    predictions = model.predict(model.complete(read_rows(signature, rows)))
    columns = model.complete(read_rows(signature, reference[[n for n in signature.names if n in reference]]))
    outputs = model.predict(columns).columns()
    acceptance = {
        "format": 1,
        **report,
        "golden_rows": len(rows),
        "example": example_record(_records(rows), signature),
        "metrics": metrics or {},
        "verdict": verdict or {},
    }
    shown = rows.assign(**{f"{GOLDEN_OUTPUT}{kind}": values for kind, values in predictions.columns().items()})
    return {
        "golden.parquet": parquet_bytes(shown),
        "reference.parquet": dump_reference(describe(columns, signature, outputs=outputs, given=given)),
        "acceptance.json": json_bytes(acceptance),
    }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        dict(zip(map(str, rows), row, strict=True))
        for row in rows.head(_EXAMPLE_CANDIDATES).itertuples(index=False, name=None)
    ]


def _without_personal(rows: pd.DataFrame, signature: Signature) -> pd.DataFrame:
    replaced = {
        field.name: _pseudonyms(field, len(rows)) for field in signature.inputs if field.pii and field.name in rows
    }
    return rows.assign(**replaced).reset_index(drop=True)


def _pseudonyms(field: Field, rows: int) -> list[Any]:
    if field.categories:
        return [field.categories[row % len(field.categories)] for row in range(rows)]
    if field.nullable:
        return [None] * rows
    if field.dtype == "string":
        return [f"{field.name}-{row}" for row in range(rows)]
    if field.example is not None:
        return [field.example] * rows
    raise SignatureError(
        f"Field '{field.name}' holds personal data and is not nullable. Set its 'example', which replaces the values in golden rows."
    )
