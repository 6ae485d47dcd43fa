"""Probabilities in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..project import Phrase

__all__ = ["Risk", "describe_risk"]

# Words for a probability relative to the baseline, unless the project has phrases of its own.
_PHRASES = (
    Phrase(below=0.5, words="Much less likely than usual", tone="good"),
    Phrase(below=0.8, words="Less likely than usual", tone="good"),
    Phrase(below=1.25, words="About as likely as usual", tone="fair"),
    Phrase(below=2.0, words="More likely than usual", tone="poor"),
    Phrase(below=float("inf"), words="Much more likely than usual", tone="bad"),
)


@dataclass(frozen=True)
class Risk:
    """A probability in words.

    Attributes
    ----------
    share
        "37 %".
    words
        The comparison with the baseline.
    tone
        `good`, `fair`, `poor` or `bad`.
    frequency
        "about 3 in 8".
    baseline
        The baseline, "24 %", if it is known.
    """

    share: str
    words: str
    tone: str
    frequency: str
    baseline: str | None


def describe_risk(probability: float, *, baseline: float | None, phrases: Sequence[Phrase] = ()) -> Risk:
    """Describe a probability in words.

    Parameters
    ----------
    baseline
        The share of positives in the training data.
    phrases
        The project's own words, by the ratio of probability and baseline.

    >>> risk = describe_risk(0.5, baseline=0.24)
    >>> risk.words, risk.frequency
    ('Much more likely than usual', 'about 1 in 2')
    """
    ratio = None if not baseline else probability / baseline
    known = sorted(phrases or _PHRASES, key=lambda phrase: phrase.below)
    phrase = next((one for one in known if ratio is not None and ratio < one.below), known[-1])
    words, tone = (phrase.words, phrase.tone) if ratio is not None else ("", "fair")
    return Risk(
        _percent(probability), words, tone, _frequency(probability), None if baseline is None else _percent(baseline)
    )


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _frequency(probability: float) -> str:
    if probability < 0.01:
        return "fewer than 1 in 100"
    if probability > 0.99:
        return "more than 99 in 100"
    best = min(
        ((n, d) for d in (*range(2, 11), 20, 50, 100) for n in range(1, d)), key=lambda p: _distance(p, probability)
    )
    return f"about {best[0]} in {best[1]}"


def _distance(fraction: tuple[int, int], probability: float) -> tuple[bool, int, float]:
    away = abs(fraction[0] / fraction[1] - probability)
    near = away <= min(0.025, probability / 8, (1 - probability) / 8)
    # Prefer the smallest denominator that is near enough, else the nearest fraction.
    return (not near, fraction[1] if near else 0, away)
