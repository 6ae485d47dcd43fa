"""Load a package, validate rows, predict: the one interface behind REST, batch, the app and Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .model.package import Manifest, ModelId, Package, PackagedModel, read_archive, read_files, read_wheel
from .model.signature import Column, Predictions, Signature, read_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ModelId",
    "Package",
    "PackagePredictor",
    "Predictions",
    "Predictor",
    "RecordPredictions",
    "load",
    "load_files",
    "read_package",
]


class RecordPredictions(NamedTuple):
    """Predictions for records, with the model that made each.

    Attributes
    ----------
    outputs
        For each record: name of the output -> plain value.
    models
        For each record: the model that predicted.
    """

    outputs: Sequence[dict[str, Any]]
    models: Sequence[ModelId]


class Predictor(Protocol):
    """A package, or several packages with a rule that chooses one for each row."""

    @property
    def package(self) -> Package:
        """The package on pages and in cards; of several packages, the champion's."""
        ...

    @property
    def models(self) -> Sequence[ModelId]:
        """The models that may predict; the first is that of `package`."""
        ...

    @property
    def quick(self) -> bool:
        """Whether a few rows take only microseconds, so that an event loop may predict them itself."""
        ...

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> Predictions:
        """Validate rows and predict; invalid rows raise `InvalidInputError`."""
        ...

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Validate records and predict, as `predict` does; return plain values, and the model of each record."""
        ...

    def predict_each(self, records: Sequence[Mapping[str, Any]]) -> Sequence[RecordPredictions | None]:
        """Predict the single records of several requests together, where that takes less time.

        None for a record that `predict_records` must predict or reject.
        """
        ...


class PackagePredictor:
    """A verified package, ready to predict; safe to use from several threads.

    Attributes
    ----------
    package
        The package's files, signature and card.
    model
        The loaded model.
    """

    def __init__(self, package: Package, *, other_versions: bool = False) -> None:
        self.package = package
        self.model = PackagedModel(package, other_versions=other_versions)
        self.models = (package.id,)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.package.id.name

    @property
    def version(self) -> str:
        """The first 12 hex digits of `digest`."""
        return self.package.id.version

    @property
    def digest(self) -> str:
        """The SHA-256 of the package's manifest, which identifies the package by content."""
        return self.package.id.digest

    @property
    def backend(self) -> str:
        """The backend: "tables", "nodes", "onnx" or "sklearn"."""
        return self.model.backend.name

    @property
    def quick(self) -> bool:
        """Whether a few rows take only microseconds: with lookup tables, and with the nodes of up to 256 trees."""
        return self.model.is_quick

    @property
    def signature(self) -> Signature:
        """The model's inputs and outputs."""
        return self.package.signature

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame | Column) -> Predictions:
        """Validate rows, look up the optional inputs that they leave out, and predict.

        A row's outputs are bit for bit the same whatever other rows are in the request.

        Parameters
        ----------
        rows
            Records, a frame, or a matrix with the fields as columns, in the order of the signature.

        Raises
        ------
        InvalidInputError
            With all invalid fields of all rows.
        """
        if isinstance(rows, list) and len(rows) == 1:
            outputs = self.model.predict_record(rows[0])
            if outputs is not None:
                return self.model.collect([outputs])
        return self.model.predict(self.model.complete(read_rows(self.signature, rows, coded=self.model.accepts_codes)))

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Return the outputs of `predict` as plain values, one dictionary per record.

        Raises
        ------
        InvalidInputError
            With all invalid fields of all rows.
        """
        if len(rows) == 1:
            found = self.model.predict_record(rows[0])
            if found is not None:
                return RecordPredictions([found], self.models)
        columns = {kind: column.tolist() for kind, column in self.predict(rows).columns().items()}
        outputs = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return RecordPredictions(outputs, self.models * len(outputs))

    def predict_each(self, records: Sequence[Mapping[str, Any]]) -> list[RecordPredictions | None]:
        """Predict the single records of several requests together; None for a record that `predict_records` must predict or reject."""
        found = self.model.predict_each(records)
        return [None if outputs is None else RecordPredictions([outputs], self.models) for outputs in found]


def load(path: Path | str, *, other_versions: bool = False) -> PackagePredictor:
    """Verify and load a package: a folder, a wheel, or the archive inside a wheel.

    Parameters
    ----------
    other_versions
        Load a package that was made with other library versions than are installed. `acceptance.load_proven` also
        checks that its outputs are the same.

    Raises
    ------
    PackageError
        If there is no package, or its format is unknown.
    CorruptPackageError
        If a file differs from the manifest, or contains a type that is not trusted.
    VersionMismatchError
        If the package was made with other library versions.
    """
    return load_files(*read_package(path), other_versions=other_versions)


def read_package(path: Path | str) -> tuple[Manifest, dict[str, bytes]]:
    """Read the manifest and the files of a package, and check each file's digest. No file is parsed.

    Raises
    ------
    PackageError
        If there is no package, or its format is unknown.
    CorruptPackageError
        If a file differs from the manifest.
    """
    location = Path(path)
    if location.suffix == ".whl":
        return read_wheel(location)
    if location.suffix == ".zip" and location.is_file():
        return read_archive(location.read_bytes(), where=str(location))
    return read_files(location)


def load_files(
    manifest: Manifest, files: Mapping[str, bytes], *, other_versions: bool = False, tag: str = ""
) -> PackagePredictor:
    """Load a package from verified files.

    Parameters
    ----------
    tag
        The version in the registry, which predictions then carry beside the digest.
    """
    return PackagePredictor(Package(manifest, files, tag=tag), other_versions=other_versions)


def _load_pyfunc(path: str) -> Any:
    """Load the package for MLflow (`loader_module` of its `MLmodel`)."""

    class _PythonFunction:
        def __init__(self, predictor: PackagePredictor) -> None:
            self._predictor = predictor

        def predict(self, data: pd.DataFrame, params: Any = None) -> pd.DataFrame:
            return self._predictor.predict(data).to_frame()

    return _PythonFunction(load(path))
