"""Latency and size of a package beside production's: interleaved rounds on this machine, since only ratios say something."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from ..errors import NbshipError
from ..model import Provenance, build_package
from ..model.backends import FILES
from ..model.package import Package
from ..predictor import PackagePredictor, load
from .checks import FAILED, INSUFFICIENT, PASSED, Check
from .evidence import Evidence
from .rows import without_lookups

__all__ = ["Ratio", "latency_check", "packaged", "size_check", "time_rounds"]

_ROUNDS, _SECONDS_A_SIDE = 100, 0.004
# The interval of the median of 100 rounds by order statistics, at 99.9 %: the 34th and the 67th (binomial).
_LEVEL = 0.999
_GOLDEN, _REFERENCE = 500, 2000
# The files that a model is computed from; the others are evidence, or lookups that both would have.
_MODEL_FILES = ("model.skops", *FILES.values())


class Ratio(NamedTuple):
    """The median ratio of two times over rounds, with its interval."""

    median: float
    low: float
    high: float


def time_rounds(first: Callable[[], object], second: Callable[[], object], *, rounds: int = _ROUNDS) -> Ratio:
    """Return how much longer the first function takes than the second: the median ratio of interleaved rounds.

    Both are called equally often in each round, in alternating order, for some milliseconds of CPU time. Other processes
    disturb both sides of a round alike, and CPU time is not that of others.
    """
    from scipy.special import bdtr  # type: ignore[import-untyped]

    slower = max(min(_seconds(function, 3) for _ in range(5)) / 3 for function in (first, second))
    calls = max(1, int(_SECONDS_A_SIDE / max(1e-7, slower)))
    ratios = np.empty(rounds)
    for number in range(rounds):
        if number % 2:
            other, one = _seconds(second, calls), _seconds(first, calls)
        else:
            one, other = _seconds(first, calls), _seconds(second, calls)
        ratios[number] = one / max(other, 1e-9)
    ratios.sort()
    ranks = np.arange(rounds)
    reach = int(np.sum(bdtr(ranks, rounds, 0.5) < (1 - _LEVEL) / 2))
    return Ratio(
        float(np.median(ratios)), float(ratios[max(0, reach - 1)]), float(ratios[min(rounds - 1, rounds - reach)])
    )


def _seconds(function: Callable[[], object], calls: int) -> float:
    begun = time.thread_time()
    for _ in range(calls):
        function()
    return time.thread_time() - begun


def packaged(evidence: Evidence) -> tuple[PackagePredictor | None, str]:
    """Build a package of the candidate without lookups, for its latency and size; or None, and why it cannot be built."""
    frame, train = evidence.holdout[evidence.names], evidence.train[evidence.names]
    spaced = np.linspace(0, len(train) - 1, min(_REFERENCE, len(train))).astype(np.intp)
    with TemporaryDirectory(prefix="nbship-gate-") as folder:
        try:
            build_package(
                Path(folder) / "candidate", name="candidate", estimator=evidence.estimator,
                signature=without_lookups(evidence.signature), golden=frame.head(_GOLDEN).reset_index(drop=True),
                reference=train.iloc[spaced].reset_index(drop=True), provenance=Provenance(), verdict={"passed": True},
            )  # fmt: skip
        except NbshipError as error:
            return None, str(error)
        return load(Path(folder) / "candidate"), ""


def size_check(candidate: Package | None, production: Package, limit: float, why: str = "") -> Check:
    """Check the size of the model's files."""
    name = "size of the model's files"
    if candidate is None:
        return Check(name, FAILED, f"The candidate cannot be packaged: {why}")
    now, before = _size(candidate), _size(production)
    ratio = now / max(1, before)
    what = f"The model's files have {now / 1e6:.2f} MB, production's {before / 1e6:.2f} MB"
    if ratio <= limit:
        return Check(name, PASSED, f"{what}.", ratio, limit)
    return Check(
        name,
        FAILED,
        f"{what}: more than {limit:.3g} times as much. Use fewer trees or features, or raise 'max_larger'.",
        ratio,
        limit,
    )


def _size(package: Package) -> int:
    return sum(len(package.files[name]) for name in _MODEL_FILES if name in package.files)


def latency_check(
    candidate: PackagePredictor | None,
    production: PackagePredictor,
    records: Sequence[Mapping[str, Any]],
    limit: float,
) -> Check:
    """Check the time of predicting one row after the other, beside production."""
    name = "latency of one row"
    if candidate is None or not records:
        return Check(name, INSUFFICIENT, "There is no package of the candidate to time.")
    found = time_rounds(_caller(candidate, records), _caller(production, records))
    interval = (found.low, found.high)
    what = (
        f"One row takes {found.median:.3g} times as long as in production (99.9 %: {found.low:.3g} to {found.high:.3g})"
    )
    if found.low <= limit:
        return Check(name, PASSED, f"{what}, limit {limit:.3g}.", found.median, limit, interval)
    return Check(
        name,
        FAILED,
        f"{what}, limit {limit:.3g}. Use fewer trees or features, or raise 'max_slower'.",
        found.median,
        limit,
        interval,
    )


def _caller(predictor: PackagePredictor, records: Sequence[Mapping[str, Any]]) -> Callable[[], object]:
    names = predictor.signature.names
    rows = _cycle([[{name: record.get(name) for name in names}] for record in records])
    return lambda: predictor.predict_records(next(rows))


def _cycle(rows: list[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    while True:
        yield from rows
