"""The model of a package, from its verified files: columns in, answers out."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import VersionMismatchError
from ..backends import ONNX, TABLES, Compiled
from ..signature import Column, Columns, OutputReader, Predictions, RecordReader, Rows, Signature, Target
from .code import install_code
from .lookup_files import load_lookups
from .package import Package, file_of

if TYPE_CHECKING:
    from ...data import Lookup

__all__ = ["GUARDED", "PackagedModel", "Path", "path_in"]

# Path -> the libraries whose minor versions a model's numbers hang on.
GUARDED = {"tables": ("numpy",), "onnx": ("numpy", "onnxruntime"), "sklearn": ("scikit-learn", "numpy", "skops")}


class Path(Protocol):
    """A way in which a package's model answers: compiled tables, an ONNX graph, or the fitted estimator."""

    @property
    def name(self) -> str:
        """ "tables", "onnx" or "sklearn"."""
        ...

    @property
    def targets(self) -> Sequence[Target]:
        """What the scores are of."""
        ...

    def scores(self, columns: Columns) -> Column:
        """Return the scores of all targets, shape (rows, scores)."""
        ...


class PackagedModel:
    """What a package's files hold, ready to answer."""

    def __init__(self, package: Package, *, other_versions: bool = False) -> None:
        files, self.signature = package.files, package.signature
        if not other_versions:
            _refuse_versions(package.provenance.libraries, name=package.id.name, path=path_in(files))
        code = {path.removeprefix("code/"): data for path, data in files.items() if path.startswith("code/")}
        renamed = install_code(package.id.digest, code)
        self.path = _path(files, renamed, self.signature)
        self._tables = self.path if isinstance(self.path, Compiled) else None
        self._reader = RecordReader(self.signature)
        names = self.signature.names
        self._taken = [names.index(name) for name in self._tables.names if name in names] if self._tables else []
        self._outputs = OutputReader(self.signature, self.path.targets)
        self.lookups: tuple[Lookup, ...] = load_lookups(files)

    @property
    def takes_codes(self) -> bool:
        """Whether `answer` takes `Codes` for columns of texts: where nothing is computed on them or looked up."""
        return self._tables is not None and self._tables.takes_values and not self.lookups

    def complete(self, rows: Rows) -> Columns:
        """Return the columns that the model computes on, lookups included."""
        columns = dict(rows.columns)
        for lookup in self.lookups:
            absent = {name: mask for name, mask in rows.absent.items() if name in lookup.columns}
            if absent:
                columns = lookup.attach(columns, absent=absent)
        return columns

    def answer_single(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the outputs for one record, as plain values, where tables give them at once; None where `answer` must look closer.

        They are those of `answer`, to the bit.
        """
        tables = self._tables
        found = None if tables is None else self._reader.read(record)
        if tables is None or found is None:
            return None
        values, absent = found
        if tables.takes_values and not (absent and self.lookups):
            scores = tables.single([values[place] for place in self._taken])
        else:
            scores = tables.single_of(self.complete(self._reader.rows(values, absent)))
        return self._outputs.single(scores)

    def columns_of(self, rows: Sequence[Mapping[str, Any]]) -> Predictions:
        """Return plain outputs, as `answer_single` gives them, as `answer` does."""
        return self._outputs.columns(rows)

    def answer(self, columns: Columns) -> Predictions:
        """Predict from complete columns.

        A row's answer does not depend on the rows beside it, to the bit.
        """
        return self._outputs.many(self.path.scores(columns))


def path_in(files: Container[str]) -> str:
    """Return the way in which a package with these files answers."""
    return "tables" if TABLES in files else "onnx" if ONNX in files else "sklearn"


def _path(files: Mapping[str, bytes], renamed: Mapping[str, str], signature: Signature) -> Path:
    """Return the way in which this package answers, which was chosen when it was made."""
    if TABLES in files:
        return Compiled(files[TABLES], renamed=renamed)
    if ONNX in files:
        from ..backends import Onnx

        return Onnx(files[ONNX], renamed=renamed)
    from ..backends import Fitted

    return Fitted(file_of(files, "model.skops"), renamed=renamed, signature=signature)


def _refuse_versions(libraries: Mapping[str, str], *, name: str, path: str) -> None:
    here = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    here |= {library: _version(library, name) for library in GUARDED[path] if library in libraries}
    for library, version in here.items():
        made = libraries.get(library, version)
        if _minor(made) != _minor(version):
            remedy = f"Install it: `pip install '{library}=={made}'`" if library != "python" else f"Use Python {made}"
            raise VersionMismatchError(
                f"Package '{name}' was made with {library} {made}, and here is {version}. {remedy}, make the package again here, "
                "or prove that it answers as it did: `--other-versions`."
            )


def _version(library: str, name: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        raise VersionMismatchError(
            f"Package '{name}' answers with {library}, which is not installed. Install it: `pip install {library}`."
        ) from None


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
