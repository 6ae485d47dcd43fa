"""A check of the gate: a name, a value with its interval, a limit, a verdict, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..metrics import Estimate

__all__ = ["FAILED", "INSUFFICIENT", "PASSED", "UNDECIDED", "Check", "at_least", "at_most", "estimated"]

PASSED, FAILED, UNDECIDED, INSUFFICIENT = "passed", "failed", "undecided", "insufficient"


@dataclass(frozen=True)
class Check:
    """A check of the gate.

    Attributes
    ----------
    name
        What is checked, such as "AUC" or "same days, same inputs".
    verdict
        "passed", "failed", "undecided" (more rows are needed) or "insufficient" (too little data to say anything).
    reason
        A sentence with the value and the limit; if the check did not pass, with what to do.
    value, limit
        The value, and the limit that it is compared with; None where there is none.
    interval
        The 95 % interval of the value; None where it has none.
    required
        Whether the model is also rejected if the check is insufficient.
    """

    name: str
    verdict: str
    reason: str
    value: float | None = None
    limit: float | None = None
    interval: tuple[float, float] | None = None
    required: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the model may be released as far as this check is concerned: "undecided" is never a yes.

        >>> Check("AUC", "undecided", "…").accepted
        False
        """
        return self.verdict == PASSED or (self.verdict == INSUFFICIENT and not self.required)

    def to_json(self) -> dict[str, Any]:
        """Return the check as JSON holds it."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "passed": self.accepted,
            "value": self.value,
            "limit": self.limit,
            "interval": list(self.interval) if self.interval else None,
            "reason": self.reason,
        }


def at_least(name: str, value: float | None, limit: float, **more: Any) -> Check:
    """Check that a value is at least a limit; `remedy` is what to do if it is not.

    >>> at_least("recall", 0.4, 0.5, remedy="Add rows.").reason
    'recall is 0.4, below the limit 0.5. Add rows.'
    """
    return _compared(name, value, limit, value is not None and value >= limit, "below", **more)


def at_most(name: str, value: float | None, limit: float, **more: Any) -> Check:
    """Check that a value is at most a limit; `remedy` is what to do if it is not.

    >>> at_most("size", 3.0, 5.0).verdict
    'passed'
    """
    return _compared(name, value, limit, value is not None and value <= limit, "above", **more)


def estimated(name: str, estimate: Estimate, limit: float, *, least: bool = False, **more: Any) -> Check:
    """Check that an estimate is at most a limit, or at least if `least` is true; with its interval by block."""
    check = at_least if least else at_most
    return check(name, estimate.value, limit, interval=estimate.interval(), **more)


def _compared(
    name: str,
    value: float | None,
    limit: float,
    good: bool,
    side: str,
    *,
    remedy: str = "",
    about: str = "",
    interval: tuple[float, float] | None = None,
    required: bool = False,
) -> Check:
    if value is None:
        return Check(
            name, INSUFFICIENT, f"{name}: the data do not define it. Hold out more rows.", None, limit, None, required
        )
    value, limit = float(value), float(limit)
    if good:
        return Check(name, PASSED, f"{name} is {value:.4g}, limit {limit:.4g}.", value, limit, interval, required)
    reason = f"{name} is {value:.4g}{about}, {side} the limit {limit:.4g}. {remedy}".rstrip()
    return Check(name, FAILED, reason, value, limit, interval, required)
