"""The exceptions of nbship.

::

    NbshipError
    ├── FileLockError           a file that another process keeps locked
    ├── ProjectError            no project, or files that cannot be read
    │   ├── SettingsError       nbship.yaml
    │   └── ParamsError         params.yaml
    ├── PipelineError           pipeline.yaml, dvc.yaml
    │   ├── UnknownStageError
    │   ├── CycleError
    │   └── UndeclaredImportError
    ├── NotebookError           a notebook that cannot be a stage
    │   └── ParameterError
    ├── StageError              a stage that ran and failed
    │   ├── CellError           a cell raised
    │   ├── DeadKernelError     the kernel died or timed out
    │   └── UndeclaredReadError a file that the stage does not declare
    ├── GateError               the model did not pass the gate
    ├── DataError
    │   ├── SourceError         a source that cannot be read
    │   │   └── SourceDownError a source that may be available later
    │   ├── EmptyDataError      no rows where rows are needed
    │   ├── WindowError         new data that are not accepted
    │   ├── SchemaError         rows that break the expectations
    │   └── InvalidInputError   rows that break a model's signature
    ├── PackageError
    │   ├── SignatureError
    │   ├── NotCompilableError  a model without lookup tables
    │   ├── AcceptanceError     a package that fails its acceptance tests
    │   ├── CorruptPackageError
    │   ├── SignerError         a package without a signature of an allowed signer
    │   └── VersionMismatchError
    ├── RegistryError           the registry of models, or Git below it
    │   └── ApprovalError       a promotion without the approval that it needs
    ├── LogError
    │   └── UnknownPredictionError
    ├── MonitoringError
    │   └── AlertError          alerts that cannot be stored or sent
    ├── ScheduleError           a schedule that cannot run, or its database
    ├── ServingError            the service cannot start
    └── RequestError            a request that cannot be answered, over any transport
        └── JsonError           a body or line that is not strict JSON

A message states the fact, the subject in quotes, and the remedy. Errors that a
program may handle in detail have attributes: `failures`, `code` and `fields`, `id`, `library`. None knows HTTP status
codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "AcceptanceError",
    "AlertError",
    "ApprovalError",
    "CellError",
    "CorruptPackageError",
    "CycleError",
    "DataError",
    "DeadKernelError",
    "EmptyDataError",
    "FileLockError",
    "GateError",
    "InputFailure",
    "InvalidInputError",
    "JsonError",
    "LogError",
    "MonitoringError",
    "NbshipError",
    "NotCompilableError",
    "NotebookError",
    "PackageError",
    "ParameterError",
    "ParamsError",
    "PipelineError",
    "ProjectError",
    "RegistryError",
    "RequestError",
    "ScheduleError",
    "SchemaError",
    "SchemaFailure",
    "ServingError",
    "SettingsError",
    "SignatureError",
    "SignerError",
    "SourceDownError",
    "SourceError",
    "StageError",
    "UndeclaredImportError",
    "UndeclaredReadError",
    "UnknownPredictionError",
    "UnknownStageError",
    "VersionMismatchError",
    "WindowError",
]


class NbshipError(Exception):
    """Base class of the exceptions of nbship."""


class FileLockError(NbshipError):
    """Another process keeps a file locked."""


class ProjectError(NbshipError):
    """There is no project, or one of its files cannot be read."""


class SettingsError(ProjectError):
    """A setting in `nbship.yaml` is not valid."""


class ParamsError(ProjectError):
    """`params.yaml` holds a value that DVC, Ploomber and YAML 1.1 would read differently."""


class PipelineError(NbshipError):
    """`pipeline.yaml`, or the `dvc.yaml` generated from it, is not valid."""


class UnknownStageError(PipelineError):
    """The pipeline does not have this stage."""


class CycleError(PipelineError):
    """Stages depend on each other in a cycle."""


class UndeclaredImportError(PipelineError):
    """A notebook imports a module that its stage does not declare."""


class NotebookError(NbshipError):
    """A notebook cannot be read, or cannot be a stage."""


class ParameterError(NotebookError):
    """A parameter is unknown, missing, ambiguous or of a type that cannot be passed."""


class StageError(NbshipError):
    """A stage ran and failed."""


class CellError(StageError):
    """A cell of a stage's notebook raised an exception."""


class DeadKernelError(StageError):
    """The kernel of a stage died or timed out."""


class UndeclaredReadError(StageError):
    """A stage read a file of the project that it does not declare."""


class GateError(NbshipError):
    """The model did not pass the acceptance gate."""


class DataError(NbshipError):
    """Data cannot be used."""


class SourceError(DataError):
    """A data source cannot be read."""


class SourceDownError(SourceError):
    """A data source cannot be reached now, and may be later.

    Attributes
    ----------
    passing
        Whether another attempt within seconds may succeed.
    """

    def __init__(self, message: str, *, passing: bool = True) -> None:
        self.passing = passing
        super().__init__(message)


class EmptyDataError(DataError):
    """There are no rows."""


class WindowError(DataError):
    """New data are not accepted: a window that is late, incomplete, a duplicate, or written in another way.

    Attributes
    ----------
    problem
        A word for the problem, such as "late" or "encoding".
    """

    def __init__(self, message: str, *, problem: str = "window") -> None:
        self.problem = problem
        super().__init__(message)


@dataclass(frozen=True)
class SchemaFailure:
    """A broken expectation of a table.

    Attributes
    ----------
    column
        None if the expectation is about whole rows.
    expectation
        The expectation as a phrase: "is not null".
    rows
        The number of rows that break it.
    """

    table: str
    column: str | None
    expectation: str
    rows: int


class SchemaError(DataError):
    """Rows break the expectations of their table. `failures` holds every broken expectation."""

    def __init__(self, message: str, *, failures: Sequence[SchemaFailure] = ()) -> None:
        self.failures = tuple(failures)
        super().__init__(message)


@dataclass(frozen=True)
class InputFailure:
    """One invalid field of one row.

    Attributes
    ----------
    row
        Position in the request, from 0; None if the failure is about the whole request.
    field
        Name of the input; None if the failure is about the whole row.
    reason
        The error and what is expected, without row and name.
    """

    row: int | None
    field: str | None
    reason: str


class InvalidInputError(DataError):
    """Rows do not fit the model's signature. `failures` holds every invalid field of every row."""

    def __init__(self, failures: Sequence[InputFailure]) -> None:
        self.failures = tuple(failures)
        super().__init__(self._message())

    def _message(self) -> str:
        shown = [_describe(failure) for failure in self.failures[:5]]
        more = len(self.failures) - len(shown)
        text = "; ".join(shown) + (f"; and {more} more" if more else "")
        return text if text.endswith("?") else f"{text}."


def _describe(failure: InputFailure) -> str:
    where = "" if failure.row is None else f"row {failure.row}"
    subject = "" if failure.field is None else f"field '{failure.field}'"
    return f"{': '.join(filter(None, (where, subject)))} {failure.reason}".lstrip()


class PackageError(NbshipError):
    """A model package cannot be built or used."""


class SignatureError(PackageError):
    """A signature is missing, contradicts itself or does not fit the model."""


class NotCompilableError(PackageError):
    """A model cannot be compiled to lookup tables. The message is the reason, as a clause."""


class AcceptanceError(PackageError):
    """A package does not reproduce its golden outputs or fails an acceptance test."""


class CorruptPackageError(PackageError):
    """The files of a package do not match its manifest."""


class SignerError(PackageError):
    """A package has no signature of an allowed signer, or a key cannot be read."""


class VersionMismatchError(PackageError):
    """A package was built with library versions that this environment does not have.

    Attributes
    ----------
    library
        The first library whose version differs, or that is not installed.
    """

    def __init__(self, message: str, *, library: str = "") -> None:
        self.library = library
        super().__init__(message)


class RegistryError(NbshipError):
    """A model cannot be registered, promoted or found in the registry."""


class ApprovalError(RegistryError):
    """A promotion has not the approval that the settings require."""


class LogError(NbshipError):
    """The prediction log cannot be read or written."""


class UnknownPredictionError(LogError):
    """The prediction log has no record with this id."""

    def __init__(self, message: str, *, id: str = "") -> None:
        self.id = id
        super().__init__(message)


class MonitoringError(NbshipError):
    """A monitoring report cannot be written."""


class AlertError(MonitoringError):
    """Alerts cannot be stored or sent."""


class ScheduleError(NbshipError):
    """A schedule that cannot run, or whose history cannot be read or written."""


class ReleaseError(NbshipError):
    """A release is not possible, or its file cannot be read."""


class ServingError(NbshipError):
    """The service cannot start."""


class RequestError(NbshipError):
    """A request cannot be answered.

    Attributes
    ----------
    code
        The error code, such as "invalid_input", "too_large" or "not_ready". Each transport maps it to a status of
        its own.
    fields
        The invalid fields.
    """

    def __init__(self, code: str, message: str, *, fields: Sequence[InputFailure] = ()) -> None:
        self.code, self.fields = code, tuple(fields)
        super().__init__(message)


class JsonError(RequestError):
    """A document is not strict JSON."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__("invalid_json", message, fields=[InputFailure(None, field, message)] if field else ())
