"""What a package proves itself by: golden rows with their outputs, and how the training rows were distributed.

The outputs are those of the packaged model, loaded from the very files that are packaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SignatureError
from ..backends import BOUND, named_or_not, scores_of, targets_of
from ..package import GOLDEN_OUTPUT, Package, PackagedModel, json_bytes, make_manifest, parquet_bytes, read_manifest
from ..signature import Field, OutputReader, Signature, example_record, read_rows
from .reference import describe, dump_reference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["gather_evidence"]

_LOOKED_AT = 1000


def gather_evidence(
    name: str,
    files: Mapping[str, bytes],
    signature: Signature,
    *,
    path: Mapping[str, Any],
    estimator: Any,
    golden: pd.DataFrame,
    reference: pd.DataFrame,
    metrics: Mapping[str, Any] | None,
    verdict: Mapping[str, Any] | None,
) -> dict[str, bytes]:
    """Let the packaged model itself, loaded from its files, answer the golden rows and the reference."""
    model = PackagedModel(Package(read_manifest(make_manifest(name, files)), files))
    _refuse_difference(model, estimator, signature, golden)
    rows = _without_personal(golden[[n for n in signature.names if n in golden]], signature)
    answers = model.answer(model.complete(read_rows(signature, rows)))
    columns = model.complete(read_rows(signature, reference[[n for n in signature.names if n in reference]]))
    outputs = model.answer(columns).columns()
    acceptance = {
        "format": 1,
        **path,
        "golden_rows": len(rows),
        "example": example_record(_records(rows), signature),
        "metrics": metrics or {},
        "verdict": verdict or {},
    }
    shown = rows.assign(**{f"{GOLDEN_OUTPUT}{kind}": values for kind, values in answers.columns().items()})
    return {
        "golden.parquet": parquet_bytes(shown),
        "reference.parquet": dump_reference(describe(columns, signature, outputs=outputs)),
        "acceptance.json": json_bytes(acceptance),
    }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        dict(zip(map(str, rows), row, strict=True)) for row in rows.head(_LOOKED_AT).itertuples(index=False, name=None)
    ]


def _refuse_difference(model: PackagedModel, estimator: Any, signature: Signature, golden: pd.DataFrame) -> None:
    """Refuse a package that does not answer as the estimator does on the training side."""
    if not set(signature.names) <= set(golden):
        return
    frame = golden[list(signature.names)]
    columns = model.complete(read_rows(signature, frame))
    targets = targets_of(estimator, several=len(model.path.targets))
    expected = (
        OutputReader(signature, targets).many(scores_of(estimator, targets, named_or_not(estimator, frame))).columns()
    )
    bound = BOUND[model.path.name]
    # Numbers first: they say more of a difference than the labels that follow from them.
    for kind, given in sorted(model.answer(columns).columns().items(), key=lambda each: each[1].dtype.kind != "f"):
        if given.dtype.kind == "f":
            same = np.isclose(given, expected[kind], rtol=bound, atol=bound, equal_nan=True)
        else:
            same = given == expected[kind]
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            raise SignatureError(
                f"Golden row {row} gives the {kind} {given[row]} through the signature and {expected[kind][row]} by the estimator "
                "on the frame. Use the training frame's types in the signature."
            )


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
        f"Field '{field.name}' is personal and may not be null. Give it an 'example' for the packaged rows."
    )
