"""What a changed distribution looks like: another unit, or another clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...text import plural
from .compared import Compared, Unknown
from .distance import psi, psi_noise

__all__ = ["hint", "hint_of_values"]

# A conversion explains a change if it leaves at most this share of the index, and a small index.
_LEFT, _SMALL = 0.25, 0.5
# A conversion explains unknown values if it gives most of them.
_EXPLAINED, _NEAR = 0.8, 2e-5
# The hours of a day differ in each season, so that a change of the clock leaves more of the index.
_LEFT_OF_CLOCK = 0.4
_FACTORS = (
    (1.609344, "miles converted to kilometers"),
    (3.28084, "meters converted to feet"),
    (2.54, "inches converted to centimeters"),
    (2.204623, "kilograms converted to pounds"),
    (1.943844, "meters per second converted to knots"),
    (3.6, "meters per second converted to kilometers per hour"),
    (25.4, "inches converted to millimeters"),
    (60.0, "hours converted to minutes"),
    (100.0, "a factor of 100"),
    (1000.0, "a factor of 1000"),
)


def hint(compared: Compared) -> str:
    """Return a sentence on what the change looks like, or nothing.

    The values of the training data are converted and counted again. For example, if speeds in miles, times 1.609, have the
    distribution of the window, the window's speeds may be in kilometers.
    """
    assert compared.current is not None
    if compared.kind == "hour":
        return _clock(compared.reference.counts, compared.current.counts)
    if compared.kind == "number" and compared.reference.fine is not None and compared.current.fine is not None:
        return _unit(compared.reference.fine, compared.current.fine, compared.reference.edges)
    return ""


def hint_of_values(unknown: Unknown) -> str:
    """Return a sentence on the conversion that gives the values of the window from those of the training data, or nothing.

    >>> hint_of_values(Unknown(9, np.array([1.609344, 3.218688]), np.array([1.0, 2.0, 3.0]), 0.0))
    'It looks like miles converted to kilometers.'
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _explained(unknown.examples, unknown)


def _explained(values: NDArray[np.float64], unknown: Unknown) -> str:
    shares = [(_share_among(values, np.sort(convert(unknown.known))), words) for convert, words in _conversions()]
    share, words = max(shares, key=lambda found: found[0])
    return f"It looks like {words}." if share >= _EXPLAINED else ""


def _share_among(values: NDArray[np.float64], known: NDArray[np.float64]) -> float:
    """Return the share of values that are near a known one; known ones are rounded to six digits."""
    if not len(values):
        return 0.0
    place = np.clip(np.searchsorted(known, values), 1, max(1, len(known) - 1))
    nearest = np.minimum(np.abs(values - known[place - 1]), np.abs(values - known[np.minimum(place, len(known) - 1)]))
    return float(np.mean(nearest <= _NEAR * np.abs(values)))


def _clock(before: NDArray[np.int64], now: NDArray[np.int64]) -> str:
    indices = [_index(np.roll(before, hours), now) for hours in range(24)]
    hours = int(np.argmin(indices))
    if not hours or indices[hours] > _LEFT_OF_CLOCK * indices[0]:
        return ""
    late = hours <= 12
    number = hours if late else 24 - hours
    return f"It looks like a clock that is {number} {plural(number, 'hour')} {'ahead' if late else 'behind'}."


def _index(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    # With few rows, chance leaves an index after the right conversion too.
    return max(0.0, psi(before, now) - psi_noise(before, now))


def _unit(before: NDArray[np.int64], now: NDArray[np.int64], edges: NDArray[np.float64] | None) -> str:
    if edges is None or len(edges) < 8:
        return ""
    found = [(psi(*_both(before, now, edges, convert)), words) for convert, words in _conversions()]
    index, words = min(found)
    plain = psi(*_both(before, now, edges, lambda values: values))
    return f"It looks like {words}." if index <= min(_SMALL, _LEFT * plain) else ""


def _both(
    before: NDArray[np.int64], now: NDArray[np.int64], edges: NDArray[np.float64], convert: Callable[..., NDArray[np.float64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Return the training counts after a conversion of their bins' upper edges, beside those of the window, in coarse bins."""
    upper = edges[1:-1]
    with np.errstate(over="ignore"):
        places = np.searchsorted(edges[1:-1], convert(upper), side="left")
    converted = np.bincount(places, weights=before[:-1], minlength=len(edges) - 1)
    # Bins of the window are coarse enough that the rounding of a bin to its edge does not matter.
    groups = np.unique(np.linspace(0, len(converted), 11).astype(int)[:-1])
    return np.add.reduceat(converted, groups), np.add.reduceat(now, groups)


def _conversions() -> list[tuple[Callable[..., NDArray[np.float64]], str]]:
    # A product that overflows is no value of the window.
    found: list[tuple[Callable[..., NDArray[np.float64]], str]] = [
        (lambda values: (values - 32) / 1.8, "degrees Fahrenheit converted to Celsius"),
        (lambda values: values * 1.8 + 32, "degrees Celsius converted to Fahrenheit"),
    ]
    for factor, words in _FACTORS:
        first, _, second = words.partition(" converted to ")
        back = f"{second} converted to {first}" if second else f"{words}, too small"
        found.append((lambda values, factor=factor: values * factor, words if second else f"{words}, too large"))
        found.append((lambda values, factor=factor: values / factor, back))
    return found
