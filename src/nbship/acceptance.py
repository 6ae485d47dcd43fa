"""The acceptance tests of a package: digests, versions, backend, golden rows, rejected inputs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import AcceptanceError, InvalidInputError
from .model.backends import BOUND, FILES
from .model.package import GOLDEN_OUTPUT, PINNED_LIBRARIES, Manifest, file_of, reading
from .model.signature import is_null
from .predictor import PackagePredictor, Predictor, load, load_files
from .text import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Proof", "accept", "load_proven", "prove"]

_SINGLES = 50
# Backend -> its name at the start of a reason, and in a sentence.
_NAMES = {"tables": "Tables", "nodes": "Nodes", "onnx": "ONNX"}
_SUBJECTS = {"tables": "lookup tables", "nodes": "nodes of trees", "onnx": "ONNX graph"}


@dataclass(frozen=True)
class Proof:
    """A passed acceptance test.

    Attributes
    ----------
    name
        "digests", "versions", "backend", "golden rows", "single rows" or "rejections".
    detail
        A sentence about the result.
    """

    name: str
    detail: str


def prove(path: Path | str, *, other_versions: bool = False) -> Iterator[Proof]:
    """Load a package and run its acceptance tests; yield each one that passes.

    Parameters
    ----------
    other_versions
        Accept other library versions than the package was made with; outputs may then differ by the backend's
        tolerance, relative to numbers above 1.

    Raises
    ------
    PackageError
        If a test fails: `CorruptPackageError`, `VersionMismatchError` or `AcceptanceError`.
    """
    predictor = load(path, other_versions=other_versions)
    manifest, libraries = predictor.package.manifest, predictor.package.provenance.libraries
    size = sum(size for _, size in manifest.files.values())
    yield Proof("digests", f"{counted(len(manifest.files), 'file')} ({size / 1e6:.1f} MB) match the manifest")
    guarded = ("python", *PINNED_LIBRARIES[predictor.backend])
    named = [f"{name} {libraries[name]}" for name in guarded if name in libraries]
    checked = "installed versions not compared" if other_versions else "same as installed"
    yield Proof("versions", f"{', '.join(named)}: {checked}")
    golden = golden_of(predictor)
    yield _prove_backend(predictor, golden, other_versions=other_versions)
    yield from accept(predictor, golden, within=predictor.model.bound if other_versions else 0.0)


def _prove_backend(predictor: PackagePredictor, golden: pd.DataFrame, *, other_versions: bool) -> Proof:
    """Compare a faster backend with the fitted estimator in the package."""
    if predictor.backend == "sklearn":
        report = predictor.package.acceptance
        reasons = [f"{name}: {reason}" for key, name in _NAMES.items() if (reason := getattr(report, key)) is not None]
        return Proof("backend", " ".join(["scikit-learn.", *reasons]))
    subject = _SUBJECTS[predictor.backend]
    bound = BOUND[predictor.backend]
    beside = {name: content for name, content in predictor.package.files.items() if name not in FILES.values()}
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
                f"In package '{predictor.package.id.name}', golden row {row} has the {kind} {given[kind][row]} by the {subject}, but "
                f"{values[row]} by the fitted model. Build the package again."
            )
    difference = f"within {most:.0e} of scikit-learn" if most else "equal to scikit-learn"
    return Proof("backend", f"{subject}: {difference}")


def load_proven(manifest: Manifest, files: Mapping[str, bytes], *, tag: str = "") -> PackagePredictor:
    """Load a package from verified files, whatever library versions it was made with, and test its golden rows.

    Raises
    ------
    PackageError
        If it cannot be loaded; `AcceptanceError` if golden rows get other outputs.
    """
    predictor = load_files(manifest, files, other_versions=True, tag=tag)
    for _ in accept(predictor, golden_of(predictor), within=predictor.model.bound):
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

    content = file_of(predictor.package.files, "golden.parquet")
    with reading("golden.parquet"):
        return pd.read_parquet(io.BytesIO(content))


def accept(predictor: Predictor, golden: pd.DataFrame, *, within: float = 0.0) -> Iterator[Proof]:
    """Test a predictor with golden rows; yield each test that passes.

    Parameters
    ----------
    golden
        Inputs, and the expected outputs in columns named `output:<kind>`.
    within
        The tolerance of numbers, relative to numbers above 1; with 0 they must be identical.

    Raises
    ------
    AcceptanceError
        If a test fails.
    """
    outputs = [name for name in golden if str(name).startswith(GOLDEN_OUTPUT)]
    inputs = golden.drop(columns=outputs)
    expected = {str(name).removeprefix(GOLDEN_OUTPUT): golden[name].to_numpy() for name in outputs}
    together = predictor.predict(inputs).columns()
    _compare(expected, together, predictor, how="in one request", within=within)
    exact = f"within {within:.0e}" if within else "bit for bit"
    yield Proof("golden rows", f"{len(golden):,} rows get the same {' and '.join(expected)}, {exact}")
    numbers = np.unique(np.linspace(0, len(inputs) - 1, _SINGLES).astype(int))
    for number in numbers.tolist():
        single = predictor.predict(_records(inputs.iloc[[number]])).columns()
        _compare(
            {kind: values[[number]] for kind, values in expected.items()},
            single,
            predictor,
            how="one by one",
            within=within,
        )
    yield Proof("single rows", f"{len(numbers)} rows get the same outputs one by one")
    _check_rejections(predictor, _records(inputs.iloc[[0]])[0])
    yield Proof("rejections", "an unknown field and a missing field are rejected by name")


def _compare(
    expected: Mapping[str, Any], given: Mapping[str, Any], predictor: Predictor, *, how: str, within: float
) -> None:
    if expected.keys() != given.keys():
        raise AcceptanceError(
            f"Package '{predictor.package.id.name}' has the outputs {sorted(given)}, but its golden rows have {sorted(expected)}. Build the package again."
        )
    for kind, values in expected.items():
        new = np.asarray(given[kind])
        same = (new == values) | ((new != new) & (values != values))
        if within and values.dtype.kind == "f":
            same |= np.abs(new - values) <= within * np.maximum(1.0, np.abs(values))
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            raise AcceptanceError(
                f"Package '{predictor.package.id.name}' predicts another {kind} for its golden rows, {how}: golden row {row} "
                f"gets {new[row]}, not {values[row]}. Build the package again on this machine."
            )


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as a client sends them: null for NaN, timestamps as strings."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows.to_dict("records")]


def _plain(value: Any) -> Any:
    if is_null(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _check_rejections(predictor: Predictor, record: Mapping[str, Any]) -> None:
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
            f"Package '{predictor.package.id.name}' accepts rows whose field '{name}' is invalid. Build the package again."
        )
