"""The summary of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import GateError, StageError
from .report import StageReport

__all__ = ["RunSummary", "raise_for"]


@dataclass
class RunSummary:
    """The summary of a run.

    Attributes
    ----------
    ran
        Reports of the executed stages, in the order in which they ended; some may have failed.
    restored
        Stages restored from the cache.
    up_to_date
        Stages that were up to date.
    """

    ran: list[StageReport] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    up_to_date: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> StageReport | None:
        """The report of the first failed stage; None if no stage failed."""
        return next((report for report in self.ran if report.error), None)


def raise_for(summary: RunSummary) -> None:
    """Raise the error of the first failed stage; do nothing if no stage failed.

    Raises
    ------
    GateError, StageError
        With the message of the stage's error.
    """
    if failed := summary.failed:
        raise (GateError if failed.error == "GateError" else StageError)(failed.message)
