"""What a run did."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import GateError, StageError
from .report import StageReport

__all__ = ["RunSummary", "raise_for"]


@dataclass
class RunSummary:
    """What a run did.

    Attributes
    ----------
    ran
        Reports of the stages whose notebooks ran, in the order in which they ended; some may have failed.
    restored
        Stages whose results came from the cache.
    up_to_date
        Stages that had nothing to do.
    """

    ran: list[StageReport] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    up_to_date: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> StageReport | None:
        """The report of the first stage that failed, if one did."""
        return next((report for report in self.ran if report.error), None)


def raise_for(summary: RunSummary) -> None:
    """Raise the error of the stage that failed, if one did.

    Raises
    ------
    GateError, StageError
        As the stage's own run raised it.
    """
    if failed := summary.failed:
        raise (GateError if failed.error == "GateError" else StageError)(failed.message)
