"""Load a package, validate rows, predict: the one way in which everything answers a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .model.package import Manifest, PackagedModel, Provenance, file_of, read_archive, read_files, read_wheel
from .model.signature import Column, Predictions, Signature, read_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PackagePredictor", "Predictions", "Predictor", "load", "load_files", "read_package"]


class Predictor(Protocol):
    """Whatever answers a prediction."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def version(self) -> str:
        """Version of the package."""
        ...

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        ...

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> Predictions:
        """Validate rows and predict; wrong rows raise `InvalidInputError`."""
        ...


class PackagePredictor:
    """A verified package, ready to predict; safe to use from several threads.

    Attributes
    ----------
    manifest
        The package's files and their digests.
    files
        The verified files: path -> bytes.
    """

    def __init__(self, manifest: Manifest, files: Mapping[str, bytes], *, other_versions: bool = False) -> None:
        self.manifest = manifest
        self.files = files
        self.model = PackagedModel(manifest, files, other_versions=other_versions)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The first twelve hex digits of `digest`."""
        return self.manifest.version

    @property
    def digest(self) -> str:
        """sha256 of the package's manifest, which is the package by content."""
        return self.manifest.digest

    @property
    def path(self) -> str:
        """How it answers: "tables" or "sklearn"."""
        return self.model.path.name

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return self.model.signature

    @property
    def provenance(self) -> Provenance:
        """Where the model comes from."""
        return self.model.provenance

    @cached_property
    def card(self) -> str:
        """The model card, as Markdown."""
        return file_of(self.files, "MODEL_CARD.md").decode()

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

    def outputs(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return for each record the outputs that `predict` gives, as plain values by kind.

        Raises
        ------
        InvalidInputError
            With every wrong field of every row.
        """
        if len(rows) == 1:
            single = self.model.answer_single(rows[0])
            if single is not None:
                return [single]
        columns = {kind: column.tolist() for kind, column in self.predict(rows).columns().items()}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


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
    return PackagePredictor(manifest, files, other_versions=other_versions)


def _load_pyfunc(path: str) -> Any:
    """Load the package for MLflow (`loader_module` of its `MLmodel`)."""

    class _PythonFunction:
        def __init__(self, predictor: PackagePredictor) -> None:
            self._predictor = predictor

        def predict(self, data: pd.DataFrame, params: Any = None) -> pd.DataFrame:
            return self._predictor.predict(data).to_frame()

    return _PythonFunction(load(path))
