"""The report of the gate: every check and every number behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .checks import INSUFFICIENT, Check

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMAT", "Report"]

FORMAT = 1
_ROUNDED = 4


@dataclass(frozen=True)
class Report:
    """The report of the gate.

    Attributes
    ----------
    checks
        Every check whose result follows from the inputs of the stage.
    measured
        Checks of times and memory. They differ between machines and runs, so they are no part of a product unless they
        fail.
    measure
        The agreed measure.
    production
        The version of the model in production; None for the first model.
    measures
        "candidate" and the names of what it is compared with -> measures on the held-out rows.
    comparisons
        Name -> the comparison with it (see `nbship.metrics.compare_models`).
    slices, inputs, responses
        Records of slices, of inputs on common days, and of the inputs that move predictions.
    differences
        The differential test; None without production.
    training
        What the next gate compares with (see `training_record`).
    """

    checks: tuple[Check, ...]
    measured: tuple[Check, ...]
    measure: str
    production: str | None
    measures: Mapping[str, Mapping[str, Any]]
    comparisons: Mapping[str, Mapping[str, Any]]
    slices: Sequence[Mapping[str, Any]] = ()
    inputs: Sequence[Mapping[str, Any]] = ()
    responses: Sequence[Mapping[str, Any]] = ()
    differences: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def judged(self) -> tuple[Check, ...]:
        """The checks of the verdict: all of `checks`, and those of `measured` that failed."""
        return (*self.checks, *(check for check in self.measured if not check.accepted))

    @property
    def passed(self) -> bool:
        """Whether the candidate may be released."""
        return all(check.accepted for check in self.judged)

    @property
    def reasons(self) -> list[str]:
        """Why it is rejected: a sentence for each check; if it passed, how many checks did, and which had too little data."""
        if rejected := [check.reason for check in self.judged if not check.accepted]:
            return rejected
        silent = [check.name for check in self.checks if check.verdict == INSUFFICIENT]
        words = [f"{len(self.checks) - len(silent)} checks passed"]
        return words + ([f"too little data for: {', '.join(silent)}"] if silent else [])

    def verdict(self) -> dict[str, Any]:
        """Return the verdict, as `verdict.json` and the package hold it: without rows."""
        return {
            "format": FORMAT,
            "passed": self.passed,
            "reasons": self.reasons,
            "checks": [check.to_json() for check in self.judged],
            "measure": self.measure,
            "production": self.production,
            "measured": [check.name for check in self.measured],
            "training": dict(self.training),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the whole report, with the rows that changed most."""
        names = ("measures", "comparisons", "slices", "inputs", "responses", "differences")
        return self.verdict() | {name: getattr(self, name) for name in names}

    def table(self) -> pd.DataFrame:
        """Return the checks as a frame, those that did not pass first."""
        import pandas as pd

        rows = [
            {
                "check": each.name,
                "verdict": each.verdict,
                "value": each.value,
                "limit": each.limit,
                "95 %": _interval(each),
            }
            for each in sorted(self.judged, key=lambda check: check.accepted)
        ]
        return pd.DataFrame(rows).round(_ROUNDED)

    def compared(self) -> pd.DataFrame:
        """Return the measures of the candidate and of what it is compared with as a frame."""
        import pandas as pd

        return pd.DataFrame(self.measures).round(_ROUNDED)

    def by_slice(self) -> pd.DataFrame:
        """Return the slices as a frame."""
        import pandas as pd

        return pd.DataFrame(list(self.slices)).round(_ROUNDED)

    def worst_rows(self) -> pd.DataFrame:
        """Return the rows with the largest differences from production as a frame; empty without production."""
        import pandas as pd

        return pd.DataFrame(list((self.differences or {}).get("worst", ()))).round(_ROUNDED)


def _interval(check: Check) -> str:
    return f"{check.interval[0]:.4f} to {check.interval[1]:.4f}" if check.interval else ""
