"""Load a package, validate rows, predict: the one way in which everything answers a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

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


@dataclass(frozen=True, slots=True)
class RecordPredictions:
    """Predictions for records, as they are answered and logged.

    Attributes
    ----------
    outputs
        Of each record: output -> plain value.
    models
        Of each record: which model predicted.
    """

    outputs: Sequence[dict[str, Any]]
    models: Sequence[ModelId]


class Predictor(Protocol):
    """Everything that answers a prediction: one package, or several behind a rule."""

    @property
    def package(self) -> Package:
        """The package that is shown to people: the one that predicts where no rule says otherwise."""
        ...

    @property
    def models(self) -> Sequence[ModelId]:
        """The models that may predict; `package` is the first."""
        ...

    @property
    def quick(self) -> bool:
        """Whether a few rows take microseconds, so that an event loop may wait for them."""
        ...

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> Predictions:
        """Validate rows and predict; wrong rows raise `InvalidInputError`."""
        ...

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Predict for records as `predict` does, and say of each which model predicted."""
        ...


class PackagePredictor:
    """A verified package, ready to predict; safe to use from several threads.

    Attributes
    ----------
    package
        What it says of its model: signature, card, files.
    model
        What computes.
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
        """The first twelve hex digits of `digest`."""
        return self.package.id.version

    @property
    def digest(self) -> str:
        """sha256 of the package's manifest, which is the package by content."""
        return self.package.id.digest

    @property
    def path(self) -> str:
        """The backend: "tables", "onnx" or "sklearn"."""
        return self.model.path.name

    @property
    def quick(self) -> bool:
        """Whether a few rows take microseconds: where lookup tables answer."""
        return self.path == "tables"

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return self.package.signature

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame | Column) -> Predictions:
        """Validate rows (records, a frame, or a matrix of the fields in order), look up what they left out, and predict.

        A row's answer does not depend on the rows beside it, to the bit.

        Raises
        ------
        InvalidInputError
            With every wrong field of every row.
        """
        if isinstance(rows, list) and len(rows) == 1:
            single = self.model.answer_single(rows[0])
            if single is not None:
                return self.model.columns_of([single])
        return self.model.answer(self.model.complete(read_rows(self.signature, rows, coded=self.model.takes_codes)))

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Return for each record the outputs that `predict` gives, as plain values.

        Raises
        ------
        InvalidInputError
            With every wrong field of every row.
        """
        if len(rows) == 1:
            single = self.model.answer_single(rows[0])
            if single is not None:
                return RecordPredictions([single], self.models)
        columns = {kind: column.tolist() for kind, column in self.predict(rows).columns().items()}
        outputs = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return RecordPredictions(outputs, self.models * len(outputs))


def load(path: Path | str, *, other_versions: bool = False) -> PackagePredictor:
    """Load a package from its folder, its wheel or the archive in a wheel, verified first.

    Parameters
    ----------
    other_versions
        Take a package that was made with other versions of libraries than are installed. Whoever says so proves that
        it answers as it did: `acceptance.load_proven`.

    Raises
    ------
    PackageError
        If there is none, or it is of a format that is not known here.
    CorruptPackageError
        If its files are not what its manifest says, or need a type that is not trusted.
    VersionMismatchError
        If it was made with other versions than are installed.
    """
    return load_files(*read_package(path), other_versions=other_versions)


def read_package(path: Path | str) -> tuple[Manifest, dict[str, bytes]]:
    """Read a package's files, each checked against its manifest, none parsed; what is returned is what was checked.

    Raises
    ------
    PackageError
        If there is none, or it is of a format that is not known here.
    CorruptPackageError
        If its files are not what its manifest says.
    """
    place = Path(path)
    if place.suffix == ".whl":
        return read_wheel(place)
    if place.suffix == ".zip" and place.is_file():
        return read_archive(place.read_bytes(), where=str(place))
    return read_files(place)


def load_files(manifest: Manifest, files: Mapping[str, bytes], *, other_versions: bool = False) -> PackagePredictor:
    """Load a package from files that were verified."""
    return PackagePredictor(Package(manifest, files), other_versions=other_versions)


def _load_pyfunc(path: str) -> Any:
    """Load the package for MLflow (`loader_module` of its `MLmodel`)."""

    class _PythonFunction:
        def __init__(self, predictor: PackagePredictor) -> None:
            self._predictor = predictor

        def predict(self, data: pd.DataFrame, params: Any = None) -> pd.DataFrame:
            return self._predictor.predict(data).to_frame()

    return _PythonFunction(load(path))
