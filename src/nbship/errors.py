"""Every error that nbship raises on purpose.

::

    NbshipError
    ├── ProjectError            no project here, or its files cannot be read
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
    │   └── DeadKernelError     the kernel died or timed out
    ├── GateError               the acceptance gate said no
    ├── DataError
    │   ├── SourceError         a source that cannot be read
    │   ├── EmptyDataError      no rows where rows are needed
    │   ├── SchemaError         rows that break the expectations
    │   └── InvalidInputError   rows that break a model's signature
    ├── PackageError
    │   ├── SignatureError
    │   ├── NotCompilableError  a model that no table can answer
    │   ├── AcceptanceError     a package does not do what it proves
    │   ├── CorruptPackageError
    │   ├── SignerError         a package that is not signed by whom it should be
    │   └── VersionMismatchError
    ├── LogError
    │   └── UnknownPredictionError
    ├── MonitoringError
    ├── ServingError            the service cannot start
    └── RequestError            a request that cannot be answered, whatever transport it came by
        └── JsonError           a body or line that is not strict JSON

A message gives the fact, the subject in quotes and the remedy. Errors carry their data as attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "AcceptanceError",
    "CellError",
    "CorruptPackageError",
    "CycleError",
    "DataError",
    "DeadKernelError",
    "EmptyDataError",
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
    "RequestError",
    "SchemaError",
    "SchemaFailure",
    "ServingError",
    "SettingsError",
    "SignatureError",
    "SignerError",
    "SourceError",
    "StageError",
    "UndeclaredImportError",
    "UnknownPredictionError",
    "UnknownStageError",
    "VersionMismatchError",
]


class NbshipError(Exception):
    """Base of all errors that nbship raises on purpose."""


class ProjectError(NbshipError):
    """There is no project here, or one of its files cannot be read."""


class SettingsError(ProjectError):
    """`nbship.yaml` says something that nbship cannot follow."""


class ParamsError(ProjectError):
    """`params.yaml` holds a value that its readers would not agree on."""


class PipelineError(NbshipError):
    """`pipeline.yaml` or the `dvc.yaml` made from it is wrong."""


class UnknownStageError(PipelineError):
    """A stage was named that the pipeline does not have."""


class CycleError(PipelineError):
    """Stages wait for each other in a circle."""


class UndeclaredImportError(PipelineError):
    """A notebook uses a module that its stage does not declare."""


class NotebookError(NbshipError):
    """A notebook cannot be read or cannot be a stage."""


class ParameterError(NotebookError):
    """A parameter is unknown, missing, ambiguous or of a type that cannot be passed."""


class StageError(NbshipError):
    """A stage ran and failed."""


class CellError(StageError):
    """A cell of a stage's notebook raised."""


class DeadKernelError(StageError):
    """The kernel of a stage died or ran out of time."""


class GateError(NbshipError):
    """The acceptance gate said no."""


class DataError(NbshipError):
    """Data cannot be used."""


class SourceError(DataError):
    """A data source cannot be read."""


class EmptyDataError(DataError):
    """There are no rows where rows are needed."""


@dataclass(frozen=True)
class SchemaFailure:
    """One expectation of a table that does not hold.

    Attributes
    ----------
    column
        None where rows as a whole are meant.
    expectation
        What should be so, as a phrase: "is not null".
    rows
        The number of rows in which it is not.
    """

    table: str
    column: str | None
    expectation: str
    rows: int


class SchemaError(DataError):
    """Rows break the expectations that their table declares; every broken one is in `failures`."""

    def __init__(self, message: str, *, failures: Sequence[SchemaFailure] = ()) -> None:
        self.failures = tuple(failures)
        super().__init__(message)


@dataclass(frozen=True)
class InputFailure:
    """What is wrong with one field of one row.

    Attributes
    ----------
    row
        Position in the request, from 0; None where the whole request is meant.
    field
        Name of the input, None where the row as a whole is meant.
    reason
        What is wrong and what is expected, without the row and the name.
    """

    row: int | None
    field: str | None
    reason: str


class InvalidInputError(DataError):
    """Rows break a model's signature; every wrong field of every row is in `failures`."""

    def __init__(self, failures: Sequence[InputFailure]) -> None:
        self.failures = tuple(failures)
        super().__init__(self._message())

    def _message(self) -> str:
        shown = [_describe(failure) for failure in self.failures[:5]]
        more = len(self.failures) - len(shown)
        told = "; ".join(shown) + (f"; and {more} more" if more else "")
        return told if told.endswith("?") else f"{told}."


def _describe(failure: InputFailure) -> str:
    where = "" if failure.row is None else f"row {failure.row}: "
    subject = "" if failure.field is None else f"field '{failure.field}' "
    return f"{where}{subject}{failure.reason}"


class PackageError(NbshipError):
    """A model package cannot be made or used."""


class SignatureError(PackageError):
    """A signature is missing, contradicts itself or does not fit the model."""


class NotCompilableError(PackageError):
    """A model cannot be compiled to tables; the message is the reason, as a clause."""


class AcceptanceError(PackageError):
    """A package does not give the answers that it was made to give."""


class CorruptPackageError(PackageError):
    """A package's files are not what its manifest says."""


class SignerError(PackageError):
    """A package is not signed by one of those who may, or a key cannot be read."""


class VersionMismatchError(PackageError):
    """A package was made with library versions that this environment does not have."""


class LogError(NbshipError):
    """The prediction log cannot be read or written."""


class UnknownPredictionError(LogError):
    """The prediction log has no record with this id."""


class MonitoringError(NbshipError):
    """A monitoring run cannot be done."""


class ServingError(NbshipError):
    """The service cannot start."""


class RequestError(NbshipError):
    """A request cannot be answered.

    Attributes
    ----------
    code
        What is wrong, in one word of the service's protocol: "invalid_input", "too_large", "not_ready" … Each
        transport has one table from these to its own statuses.
    fields
        The fields that are wrong.
    """

    def __init__(self, code: str, message: str, *, fields: Sequence[InputFailure] = ()) -> None:
        self.code, self.fields = code, tuple(fields)
        super().__init__(message)


class JsonError(RequestError):
    """A text is not JSON as nbship reads it."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__("invalid_json", message, fields=[InputFailure(None, field, message)] if field else ())
