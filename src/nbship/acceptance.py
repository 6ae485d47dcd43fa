"""What a package must prove, with its predictor, wherever it is to be used."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import AcceptanceError, CorruptPackageError, InvalidInputError
from .model.backends import BOUND, ONNX, TABLES
from .model.package import GOLDEN_OUTPUT, GUARDED, Manifest
from .predictor import PackagePredictor, Predictor, load, load_files

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Proof", "accept", "load_proven", "prove"]

_SINGLES = 50


@dataclass(frozen=True)
class Proof:
    """Something that was proven of a package.

    Attributes
    ----------
    name
        "digests", "versions", "path", "golden rows", "single rows" or "refusals".
    detail
        What was found, in words.
    """

    name: str
    detail: str


def prove(path: Path | str, *, other_versions: bool = False) -> Iterator[Proof]:
    """Load a package and prove it, one proof after another.

    Parameters
    ----------
    other_versions
        Take a package that was made with other versions of libraries, if it answers within 1e-12 as it did.

    Raises
    ------
    PackageError
        At the first proof that fails: `CorruptPackageError`, `VersionMismatchError` or `AcceptanceError`.
    """
    predictor = load(path, other_versions=other_versions)
    manifest, libraries = predictor.package.manifest, predictor.package.provenance.libraries
    size = sum(size for _, size in manifest.files.values())
    yield Proof("digests", f"{len(manifest.files)} files, {size / 1e6:.1f} MB, are what was packaged")
    guarded = ("python", *GUARDED[predictor.path])
    named = [f"{name} {libraries[name]}" for name in guarded if name in libraries]
    where = "whatever is here" if other_versions else "as here"
    yield Proof("versions", f"{', '.join(named)}, {where}")
    golden = golden_of(predictor)
    yield _prove_path(predictor, golden, other_versions=other_versions)
    yield from accept(predictor, golden, within=BOUND[predictor.path] if other_versions else 0.0)


def _prove_path(predictor: PackagePredictor, golden: pd.DataFrame, *, other_versions: bool) -> Proof:
    """Compare compiled tables, or an ONNX graph, with the fitted estimator that is packaged beside them."""
    if predictor.path == "sklearn":
        told = json.loads(predictor.package.files.get("acceptance.json", b"{}"))
        reasons = [f"{name}: {told[key]}" for key, name in (("tables", "Tables"), ("onnx", "ONNX")) if key in told]
        return Proof("path", " ".join(["scikit-learn itself answers.", *reasons]))
    subject = {"tables": "compiled tables", "onnx": "ONNX graph"}[predictor.path]
    bound = BOUND[predictor.path]
    beside = {name: content for name, content in predictor.package.files.items() if name not in (TABLES, ONNX)}
    inputs = golden[[name for name in golden if not str(name).startswith(GOLDEN_OUTPUT)]]
    given = predictor.predict(inputs).columns()
    expected = load_files(predictor.package.manifest, beside, other_versions=other_versions).predict(inputs).columns()
    most = 0.0
    for kind, values in expected.items():
        if values.dtype.kind != "f":
            differs = given[kind] != values
        else:
            apart = np.abs(given[kind] - values) / np.maximum(1.0, np.abs(values))
            most = max(most, float(np.nanmax(apart, initial=0.0)))
            differs = (np.isnan(given[kind]) != np.isnan(values)) | (apart > bound)
        if differs.any():
            row = int(np.flatnonzero(differs)[0])
            raise AcceptanceError(
                f"Package '{predictor.package.id.name}' gives the {kind} {given[kind][row]} for golden row {row} by its {subject}, and "
                f"{values[row]} by its fitted model. Make the package again."
            )
    return Proof("path", f"{subject}: as scikit-learn answers, within {most:.0e}")


def load_proven(manifest: Manifest, files: Mapping[str, bytes]) -> PackagePredictor:
    """Load a package from verified files whatever versions it was made with, if it answers within 1e-12 as it did.

    Raises
    ------
    PackageError
        If it cannot be loaded; `AcceptanceError` if its golden rows do not get their outputs.
    """
    predictor = load_files(manifest, files, other_versions=True)
    for _ in accept(predictor, golden_of(predictor), within=BOUND[predictor.path]):
        pass
    return predictor


def golden_of(predictor: PackagePredictor) -> pd.DataFrame:
    """Return the package's golden rows with their outputs.

    Raises
    ------
    CorruptPackageError
        If they cannot be read.
    """
    import pandas as pd

    try:
        return pd.read_parquet(io.BytesIO(predictor.package.files["golden.parquet"]))
    except (KeyError, ValueError, OSError) as error:
        raise CorruptPackageError(f"The golden rows cannot be read: {error}. Make the package again.") from error


def accept(predictor: Predictor, golden: pd.DataFrame, *, within: float = 0.0) -> Iterator[Proof]:
    """Prove a predictor on golden rows.

    Parameters
    ----------
    golden
        Inputs, and the outputs that they must give in columns named `output:<kind>`.
    within
        How far numbers may be apart, relative to those above one: 0 means to the bit.

    Raises
    ------
    AcceptanceError
        At the first proof that fails.
    """
    outputs = [name for name in golden if str(name).startswith(GOLDEN_OUTPUT)]
    inputs = golden.drop(columns=outputs)
    expected = {str(name).removeprefix(GOLDEN_OUTPUT): golden[name].to_numpy() for name in outputs}
    together = predictor.predict(inputs).columns()
    _compare(expected, together, predictor, how="all together", within=within)
    exact = f"within {within:.0e}" if within else "to the bit"
    yield Proof("golden rows", f"{len(golden):,} rows give the same {' and '.join(expected)}, {exact}")
    places = np.unique(np.linspace(0, len(inputs) - 1, _SINGLES).astype(int))
    for place in places.tolist():
        single = predictor.predict(_records(inputs.iloc[[place]])).columns()
        _compare(
            {kind: values[[place]] for kind, values in expected.items()},
            single,
            predictor,
            how="one by one",
            within=within,
        )
    yield Proof("single rows", f"{len(places)} of them, asked one by one, give the same")
    _refuses(predictor, _records(inputs.iloc[[0]])[0])
    yield Proof("refusals", "an unknown field and a missing one are refused by name")


def _compare(
    expected: Mapping[str, Any], given: Mapping[str, Any], predictor: Predictor, *, how: str, within: float
) -> None:
    if expected.keys() != given.keys():
        raise AcceptanceError(
            f"Package '{predictor.package.id.name}' gives {sorted(given)}, and was made to give {sorted(expected)}."
        )
    for kind, values in expected.items():
        new = np.asarray(given[kind])
        same = (new == values) | ((new != new) & (values != values))
        if within and values.dtype.kind == "f":
            same |= np.abs(new - values) <= within * np.maximum(1.0, np.abs(values))
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            raise AcceptanceError(
                f"Package '{predictor.package.id.name}' does not give its golden rows' {kind}, asked {how}: golden row {row} "
                f"gives {new[row]}, not {values[row]}. Make the package again on this machine."
            )


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as a client sends them: null where a frame holds NaN, whole numbers whole, times as text."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows.to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _refuses(predictor: Predictor, record: Mapping[str, Any]) -> None:
    required = next((field.name for field in predictor.package.signature.inputs if not field.optional), None)
    wrong = [({**record, "no such field": 1}, "no such field")]
    if required is not None:
        wrong.append(({name: value for name, value in record.items() if name != required}, required))
    for row, name in wrong:
        try:
            predictor.predict([row])
        except InvalidInputError as error:
            if name in {failure.field for failure in error.failures}:
                continue
        raise AcceptanceError(
            f"Package '{predictor.package.id.name}' takes rows whose field '{name}' is wrong. Make it again."
        )
