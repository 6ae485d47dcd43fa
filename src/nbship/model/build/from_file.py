"""Build a package from a saved estimator, for projects without a package stage; export ONNX graphs."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from ...atomic_write import write_whole
from ...errors import PackageError, SignatureError
from ...text import listed, one_line
from ..backends import steps_of, types_in
from ..compiler import export_onnx
from ..features import ColumnFeatures
from ..package import GOLDEN_OUTPUT, Manifest, Provenance, collect_code, json_bytes, read_files
from ..signature import Signature, read_rows
from .build import build_package, load_estimator, load_own

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["infer_signature", "package_saved", "write_onnx"]

_GOLDEN = 1000


def infer_signature(
    model: Path, reference: Path, *, keys: Sequence[str] = (), event_time: str | None = None, limits: bool = False
) -> bytes:
    """Return `signature.json`, inferred from the training rows, for the user to edit."""
    rows = _given(_estimator(model), _read(reference), reference)
    return json_bytes(Signature.infer(rows, keys=keys, event_time=event_time, limits=limits).to_json())


def package_saved(
    model: Path, folder: Path, *, reference: Path, golden: Path | None, signature: Path | None, name: str,
    keys: Sequence[str] = (), event_time: str | None = None,
) -> Manifest:  # fmt: skip
    """Build the package of an estimator that `save_estimator` wrote.

    Parameters
    ----------
    reference, golden
        CSV or Parquet files with training rows and held-out rows. Without held-out rows, golden rows are sampled evenly
        from the training rows.
    signature
        An edited `signature.json`; without one, the signature is inferred.

    Raises
    ------
    PackageError
        If a file cannot be read, or does not have the model's columns.
    SignatureError
        If the signature does not fit.
    """
    estimator = _estimator(model)
    rows = _given(estimator, _read(reference), reference)
    if signature is None:
        signed = Signature.infer(rows, keys=keys, event_time=event_time)
    else:
        signed = Signature.from_json(_json(signature))
    if golden is None:
        held_out = rows.iloc[:: max(1, len(rows) // _GOLDEN)].head(_GOLDEN)
    else:
        held_out = _given(estimator, _read(golden), golden)
    return build_package(
        folder, name=name, estimator=estimator, signature=signed, golden=held_out.reset_index(drop=True), reference=rows,
        provenance=Provenance(),
    )  # fmt: skip


def write_onnx(package: Path, target: Path) -> float:
    """Verify a package and write its model as an ONNX graph. Return the largest difference on generated rows.

    Raises
    ------
    NotCompilableError
        If the model cannot be converted, with the reason.
    """
    import pandas as pd

    _, files = read_files(package)
    signature = Signature.from_json(json.loads(files["signature.json"]))
    golden = pd.read_parquet(io.BytesIO(files["golden.parquet"]))
    inputs = golden[[each for each in golden if not str(each).startswith(GOLDEN_OUTPUT)]]
    graph, most = export_onnx(
        load_own(files["model.skops"]),
        signature,
        columns=read_rows(signature, inputs).columns,
        code=collect_code(types_in(files["model.skops"])),
    )
    write_whole(target, graph)
    return most


def _estimator(model: Path) -> Any:
    if model.suffix != ".skops":
        raise PackageError(
            f"'{model}' is not a model.skops file. Save the fitted estimator with `model.save_estimator(estimator, 'model.skops')`."
        )
    if not model.is_file():
        raise PackageError(f"There is no '{model}'. Save the fitted estimator: `model.save_estimator(estimator, path)`.")  # fmt: skip
    try:
        return load_estimator(model)
    except (BadZipFile, KeyError, OSError, ValueError) as error:
        raise PackageError(
            f"'{model}' cannot be read as a skops file: {one_line(error)}. Save the fitted estimator again with `model.save_estimator`."
        ) from error


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise PackageError(f"There is no '{path}'. Name a CSV or Parquet file of rows.")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, ValueError) as error:
        raise PackageError(f"'{path}' cannot be read as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {one_line(error).rstrip('.')}. Give a CSV or Parquet file of rows with column names.") from error  # fmt: skip


def _read_csv(path: Path) -> pd.DataFrame:
    """Read CSV; a header that commas do not divide names the separator."""
    import pandas as pd

    rows = pd.read_csv(path)
    header = str(rows.columns[0]) if len(rows.columns) == 1 else ""
    separator = next((each for each in ";\t|" if each in header), None)
    return rows if separator is None else pd.read_csv(path, sep=separator)


def _given(estimator: Any, rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the columns that the estimator needs."""
    first = steps_of(estimator)[0]
    if isinstance(first, ColumnFeatures):
        raise PackageError(
            "The model has a feature function, so its inputs cannot be inferred. "
            "Package it in a notebook: `model.build_package(...)`."
        )
    names = getattr(estimator, "feature_names_in_", getattr(first, "feature_names_in_", None))
    if names is None:
        raise PackageError("The model was fitted without column names. Fit it on a frame, or call `model.build_package(...)` in a notebook.")  # fmt: skip
    missing = [name for name in names if name not in rows]
    if missing:
        raise PackageError(f"'{path}' has no column '{missing[0]}', which the model needs. Its columns: {_shown(rows)}.")  # fmt: skip
    return rows[list(names)]


def _shown(rows: pd.DataFrame) -> str:
    """Return the column names, without what a terminal does not print."""
    return listed("".join(filter(str.isprintable, str(name)[:40])) for name in rows)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SignatureError(f"'{path}' cannot be read as JSON: {error}. Correct it, or infer it again with `nbship package signature`.") from error  # fmt: skip
    if not isinstance(content, dict):
        raise SignatureError(f"'{path}' does not hold a signature. Infer it again with `nbship package signature`.")
    return content
