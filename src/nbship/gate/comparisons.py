"""The candidate against the baseline, a simpler model and production: the agreed measure on the same rows, by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..metrics import Comparison, compare_models
from ..text import counted
from .checks import FAILED, INSUFFICIENT, PASSED, UNDECIDED, Check
from .evidence import Evidence
from .limits import Limits
from .measures import TITLES

__all__ = ["against_others", "against_production", "compared"]

RESAMPLES = 2000
_LEAST_ROWS = 100


def compared(evidence: Evidence, measure: str, limits: Limits) -> dict[str, Comparison]:
    """Return the comparison with each of the others, and with "production" on the rows that it can be compared on."""
    rows, answers = evidence.answered
    others = {name: (np.arange(len(evidence.actual)), values) for name, values in evidence.others.items()}
    if evidence.production is not None:
        others["production"] = (rows, answers)
    return {
        name: compare_models(
            evidence.actual[at], evidence.predicted[at], values, evidence.block[at],
            measure=measure, margin=_margin(name, limits), resamples=RESAMPLES, seed=limits.seed,
        )
        for name, (at, values) in others.items()
    }  # fmt: skip


def _margin(name: str, limits: Limits) -> float:
    # The candidate must be better than the baseline; a simpler model must not be as good.
    return limits.margin if name == "production" else 0.0


def against_others(found: dict[str, Comparison], measure: str, limits: Limits) -> Iterator[Check]:
    """Check that the candidate is better than the baseline, and no simpler model is better than it."""
    for name, comparison in found.items():
        if name == "baseline":
            yield _better(comparison, measure, limits)
        elif name != "production":
            yield _not_simpler(name, comparison, measure)


def _better(found: Comparison, measure: str, limits: Limits) -> Check:
    name = f"{TITLES[measure]} against the baseline"
    if found.gain is None or found.low is None:
        return _unknown(name, found)
    words, interval = _words(found, measure, "the baseline"), _interval(found)
    # With a negative limit, the interval may reach below 0, down to it.
    certain = found.low > min(0.0, limits.min_gain)
    if certain and found.gain >= limits.min_gain:
        return Check(name, PASSED, f"{words}.", found.gain, limits.min_gain, interval, required=True)
    if certain:
        reason = (
            f"{words}, less than the limit {limits.min_gain:.4g}. Add features or rows: a model must be worth its cost."
        )
    elif found.verdict == "worse":
        reason = f"{words}. Use the baseline, or look for a mistake in the features and labels."
    else:
        reason = f"{words}: better only by chance, as far as these rows show.{_more(found)}"
    verdict = FAILED if certain or found.verdict == "worse" else UNDECIDED
    return Check(name, verdict, reason, found.gain, limits.min_gain, interval, required=True)


def _not_simpler(other: str, found: Comparison, measure: str) -> Check:
    name = f"{TITLES[measure]} against the simpler model ({other})"
    if found.gain is None or found.low is None:
        return _unknown(name, found)
    words = _words(found, measure, other)
    if found.verdict == "worse":
        return Check(name, FAILED, f"{words}. Use the simpler model.", found.gain, 0.0, _interval(found))
    if found.verdict != "better":
        words += ", which may be chance: the simpler model would do as well on these rows"
    return Check(name, PASSED, f"{words}.", found.gain, 0.0, _interval(found))


def against_production(evidence: Evidence, found: Comparison, measure: str, limits: Limits) -> Iterator[Check]:
    """Check that the candidate is not worse than production, and not too good to be true."""
    name = f"{TITLES[measure]} against production"
    if found.gain is None or found.low is None or found.rows < _LEAST_ROWS:
        left = len(evidence.actual) - found.rows
        reason = f"{name}: only {counted(found.rows, 'held-out row')} can be compared; production does not accept the other {left:,}, or was trained on their days. Hold out later rows."
        yield Check(name, INSUFFICIENT, reason, required=True)
        return
    words, interval = _words(found, measure, "production"), _interval(found)
    limit = f"a loss of up to {limits.margin:.4g} is accepted"
    if found.verdict in ("better", "not worse"):
        yield Check(name, PASSED, f"{words}: {found.verdict} ({limit}).", found.gain, -limits.margin, interval, True)
    elif found.verdict == "worse":
        reason = (
            f"{words}: worse ({limit}). Compare the training rows and features of both; 'differences' shows the rows."
        )
        yield Check(name, FAILED, reason, found.gain, -limits.margin, interval, True)
    else:
        reason = f"{words}: undecided ({limit}).{_more(found)}"
        yield Check(name, UNDECIDED, reason, found.gain, -limits.margin, interval, True)
    yield _plausible(found, measure, limits)


def _plausible(found: Comparison, measure: str, limits: Limits) -> Check:
    assert found.gain is not None
    name, limit = "too good to be true", limits.max_gain
    if found.gain <= limit:
        return Check(
            name, PASSED, f"The gain over production is {found.gain:.4g}, limit {limit:.4g}.", found.gain, limit
        )
    reason = f"The {TITLES[measure]} is better than production's by {found.gain:.4g}, more than {limit:.4g}. Look for an input that is known only after the event; if the gain is real, raise 'max_gain'."
    return Check(name, FAILED, reason, found.gain, limit, _interval(found))


def _words(found: Comparison, measure: str, other: str) -> str:
    assert found.gain is not None
    assert found.low is not None
    assert found.high is not None
    side = "above" if (found.model or 0.0) >= (found.other or 0.0) else "below"
    return (
        f"{TITLES[measure]} {found.model:.4g} is {abs(found.gain):.4g} {side} that of {other}, {found.other:.4g} "
        f"(95 % of the gain: {found.low:+.4f} to {found.high:+.4f})"
    )


def _more(found: Comparison) -> str:
    if found.more_rows is None:
        return " More rows would not decide it."
    return f" About {found.more_rows:,} more held-out rows would decide."


def _unknown(name: str, found: Comparison) -> Check:
    reason = (
        f"{name}: {counted(found.rows, 'row')} in {counted(found.blocks, 'block')} are too few. Hold out more rows."
    )
    return Check(name, INSUFFICIENT, reason, required=True)


def _interval(found: Comparison) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high
