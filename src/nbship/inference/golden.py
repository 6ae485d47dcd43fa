"""What a package's golden rows tell a person: a record to try, and how likely things usually are."""

from __future__ import annotations

import io
import json
from typing import Any

from ..errors import CorruptPackageError
from ..model.package import GOLDEN_OUTPUT
from ..model.signature import example_record
from ..predictor import PackagePredictor

__all__ = ["example_of", "usual_of"]


def example_of(predictor: PackagePredictor) -> dict[str, Any]:
    """Return a golden row as a client sends it, without what is looked up."""
    accepted: dict[str, Any] = json.loads(predictor.files["acceptance.json"])
    # Packages of earlier days hold it in their golden rows alone, which take pyarrow to read.
    found: dict[str, Any] | None = accepted.get("example")
    if found is not None:
        return {name: found[name] for name in predictor.signature.names if name in found}
    return example_record(_golden(predictor, list(predictor.signature.names)), predictor.signature)


def usual_of(predictor: PackagePredictor) -> float | None:
    """Return the mean probability that the model gives to the golden rows, which were drawn from all rows."""
    output = predictor.signature.output("probability")
    if output is None or output.positive is None:
        return None
    name = f"{GOLDEN_OUTPUT}probability"
    values: list[float] = [row[name] for row in _golden(predictor, [name])]
    return sum(values) / len(values)


def _golden(predictor: PackagePredictor, columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = predictor.files["golden.parquet"]
        present = set(pq.read_schema(io.BytesIO(content)).names)
        kept = [name for name in columns if name in present]
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content), columns=kept).to_pylist()
    except (KeyError, pa.ArrowInvalid) as error:
        raise CorruptPackageError(f"'golden.parquet' of the package cannot be read: {error}. Make it again.") from error
    if not rows:
        raise CorruptPackageError("'golden.parquet' of the package has no rows. Make it again.")
    return rows
