"""The model of a package, loaded from its verified files: columns in, outputs out."""

from __future__ import annotations

import math
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...errors import InputFailure, InvalidInputError, VersionMismatchError
from ...text import first_line
from ..backends import BOUND, FILES, FLOAT32_BOUND, Compiled
from ..signature import Column, Columns, OutputReader, Predictions, RecordReader, Rows, Signature, Target, read_rows
from ..stored_files import reading
from .code import install_code
from .lookup_files import load_lookups
from .package import Package, file_of

if TYPE_CHECKING:
    from ...data import Lookup

__all__ = ["PINNED_LIBRARIES", "Backend", "PackagedModel", "backend_of"]

# Backend -> libraries whose minor version can change the outputs of a model.
PINNED_LIBRARIES = {
    "tables": ("numpy",),
    "nodes": ("numpy",),
    "onnx": ("numpy", "onnxruntime"),
    "sklearn": ("scikit-learn", "numpy", "skops", "xgboost", "xgboost-cpu", "lightgbm", "catboost"),
}
# Distributions of the same library.
_SAME = {"xgboost": "xgboost-cpu", "xgboost-cpu": "xgboost"}

# What scikit-learn and feature functions raise for a value that they cannot calculate with.
_REJECTIONS = (ValueError, TypeError, ArithmeticError, LookupError)
_NO_ANSWER = "gets no answer: the model's score is not a finite number"


class Backend(Protocol):
    """What computes the scores of a model: lookup tables, nodes of trees, an ONNX graph, or the fitted estimator."""

    @property
    def name(self) -> str:
        """ "tables", "nodes", "onnx" or "sklearn"."""
        ...

    @property
    def targets(self) -> Sequence[Target]:
        """The targets of the scores."""
        ...

    def scores(self, columns: Columns) -> Column:
        """Return the scores of all targets, shape (rows, scores)."""
        ...


class PackagedModel:
    """The model of a package, ready to predict."""

    def __init__(self, package: Package, *, other_versions: bool = False) -> None:
        files, self.signature = package.files, package.signature
        if not other_versions:
            _check_versions(package.provenance.libraries, name=package.id.name, backend=backend_of(files))
        code = {path.removeprefix("code/"): data for path, data in files.items() if path.startswith("code/")}
        renamed = install_code(package.id.digest, code)
        self.backend = _load_backend(files, renamed, self.signature)
        self._tables = self.backend if isinstance(self.backend, Compiled) else None
        self._reader = RecordReader(self.signature)
        names = self.signature.names
        self._field_indices = (
            [names.index(name) for name in self._tables.names if name in names] if self._tables else []
        )
        self._outputs = OutputReader(self.signature, self.backend.targets)
        self.lookups: tuple[Lookup, ...] = load_lookups(files)
        if package.acceptance.example is not None:
            self._try(package.acceptance.example)

    def _try(self, example: Mapping[str, Any]) -> None:
        """Check that the files fit together: the model predicts an example, and has a score for each class."""
        with reading(FILES.get(self.backend.name, "model.skops")):
            self.predict_record(example)
            scores = self.backend.scores(self.complete(read_rows(self.signature, [example] * 2)))
            if scores.shape != (2, self.score_count):
                raise ValueError(f"it predicts {scores.shape[-1]} scores for {self.score_count} outputs")
            self._outputs.read(scores)

    @property
    def bound(self) -> float:
        """The largest allowed difference from the estimator's own answers, relative to numbers above 1."""
        return FLOAT32_BOUND if getattr(self.backend, "narrow", False) else BOUND[self.backend.name]

    @property
    def score_count(self) -> int:
        """The number of scores of a row that its outputs are read from."""
        targets = self.backend.targets
        return max(each.stop if each.labels is None else each.labels + each.stop - each.start for each in targets)

    @property
    def accepts_codes(self) -> bool:
        """Whether `predict` accepts `Codes` for string columns: no feature function and no lookup reads them."""
        return self._tables is not None and self._tables.reads_fields and not self.lookups

    @property
    def is_quick(self) -> bool:
        """Whether a row takes less time than its way to a thread and back."""
        return self._tables is not None and self._tables.is_quick

    def complete(self, rows: Rows) -> Columns:
        """Return the columns that the model needs, with absent values looked up."""
        columns = dict(rows.columns)
        for lookup in self.lookups:
            absent = {name: mask for name, mask in rows.absent.items() if name in lookup.columns}
            if absent:
                columns = lookup.attach(columns, absent=absent)
        return columns

    def predict_record(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the outputs of one record as plain values, bit for bit those of `predict`; the fast record path.

        None if the backend has no lookup tables, or the record needs the full validation.
        """
        tables = self._tables
        found = None if tables is None else self._reader.read(record)
        if tables is None or found is None:
            return None
        values, absent = found
        if tables.reads_fields and not (absent and self.lookups):
            scores = tables.score_row([values[index] for index in self._field_indices])
        else:
            scores = tables.score_columns(self.complete(self._reader.rows(values, absent)))
        if not all(map(math.isfinite, scores)):
            return None
        return self._outputs.read_row(scores)

    def predict_each(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """Return `predict_record` of several records, in less time."""
        tables = self._tables
        if tables is None or not tables.reads_fields:
            return [self.predict_record(record) for record in records]
        found: list[dict[str, Any] | None] = [None] * len(records)
        rows, numbers = [], []
        for number, record in enumerate(records):
            values, absent = self._reader.read(record) or (None, ())
            if values is not None and absent and self.lookups:
                found[number] = self.predict_record(record)
            elif values is not None:
                rows.append([values[index] for index in self._field_indices])
                numbers.append(number)
        for number, scores in zip(numbers, tables.score_each(rows), strict=True):
            if all(map(math.isfinite, scores)):
                found[number] = self._outputs.read_row(scores)
        return found

    def collect(self, rows: Sequence[Mapping[str, Any]]) -> Predictions:
        """Return outputs of `predict_record` as columns."""
        return self._outputs.collect(rows)

    def predict(self, columns: Columns) -> Predictions:
        """Predict from complete columns.

        The outputs of a row are bit for bit the same whatever other rows are in `columns`.

        Raises
        ------
        InvalidInputError
            With every row that the estimator rejects, or for which its score is not a finite number.
        """
        try:
            scores = self.backend.scores(columns)
        except _REJECTIONS as error:
            # scikit-learn rejects all rows because of one.
            failures = list(self._rejected(columns, range(len(next(iter(columns.values())))), error))
            if not failures:
                raise
            raise InvalidInputError(failures) from error
        if not np.isfinite(scores).all():
            rows = np.flatnonzero(~np.isfinite(scores).all(axis=1)).tolist()
            raise InvalidInputError([InputFailure(row, None, _NO_ANSWER) for row in rows])
        return self._outputs.read(scores)

    def _rejected(self, columns: Columns, rows: range, error: Exception) -> Iterator[InputFailure]:
        """Yield the rows of a range that the estimator rejects, given its error for the whole range."""
        if len(rows) == 1:
            reason = "" if self.signature.personal else f": {first_line(error).rstrip('.')}"
            yield InputFailure(rows.start, None, f"cannot be predicted by the model{reason}")
            return
        middle = rows.start + len(rows) // 2
        for half in (range(rows.start, middle), range(middle, rows.stop)):
            try:
                self.backend.scores(
                    {name: np.asarray(column)[half.start : half.stop] for name, column in columns.items()}
                )
            except _REJECTIONS as inner:
                yield from self._rejected(columns, half, inner)


def backend_of(files: Container[str]) -> str:
    """Return the backend of a package with these files: "tables", "nodes", "onnx" or "sklearn"."""
    return next((name for name, file in FILES.items() if file in files), "sklearn")


def _load_backend(files: Mapping[str, bytes], renamed: Mapping[str, str], signature: Signature) -> Backend:
    """Load the backend that was chosen when the package was built."""
    name = backend_of(files)
    path = FILES.get(name, "model.skops")
    data = file_of(files, path)
    with reading(path):
        if name in ("tables", "nodes"):
            return Compiled(data, renamed=renamed, name=name)
        if name == "onnx":
            from ..backends import Onnx

            return Onnx(data, renamed=renamed)
        from ..backends import Fitted

        return Fitted(data, renamed=renamed, signature=signature)


def _check_versions(libraries: Mapping[str, str], *, name: str, backend: str) -> None:
    here = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    here |= {library: _version(library, name) for library in PINNED_LIBRARIES[backend] if library in libraries}
    for library, version in here.items():
        packaged = libraries.get(library, version)
        if _minor(packaged) != _minor(version):
            remedy = (
                f"Install it: `pip install '{library}=={packaged}'`"
                if library != "python"
                else f"Use Python {packaged}"
            )
            raise VersionMismatchError(
                f"Package '{name}' was built with {library} {packaged}, but {version} is installed. {remedy}, build the package again here, "
                "or check that its outputs are unchanged: `--other-versions`.",
                library=library,
            )


def _version(library: str, name: str) -> str:
    for installed in (library, _SAME.get(library, library)):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(installed)
    raise VersionMismatchError(
        f"Package '{name}' needs {library}, which is not installed. Install it: `pip install {library}`.",
        library=library,
    )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
