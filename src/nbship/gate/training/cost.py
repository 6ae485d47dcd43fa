"""CPU time and memory of training, beside earlier runs on the same class of machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from ...run_records import RunRecord
from ..checks import FAILED, INSUFFICIENT, PASSED, Check
from ..limits import Limits

__all__ = ["training_cost_checks"]

_LEAST_RUNS = 5
_MOST_RUNS = 50


def training_cost_checks(records: Iterable[RunRecord], limits: Limits) -> Iterator[Check]:
    """Check the last run of the training stage beside the runs before it.

    Parameters
    ----------
    records
        The run records of the training stage, the oldest first.

    Examples
    --------
    >>> runs = [RunRecord("train", "2024-01-01", "done", 10.0, seconds, 10**9, "3.11", "linux x86_64") for seconds in [8.0] * 5 + [20.0]]
    >>> [check.verdict for check in training_cost_checks(runs, Limits())]
    ['failed', 'passed']
    """
    done = [record for record in records if record.outcome == "done"]
    last = done[-1] if done else None
    before = [each for each in done[:-1] if last and (each.platform, each.python) == (last.platform, last.python)][
        -_MOST_RUNS:
    ]
    cpu, memory = ([getattr(each, name) for each in (*before, *done[-1:])] for name in ("cpu_seconds", "peak_memory"))
    yield _check("CPU time of training", cpu, 1.0, "s", limits)
    yield _check("memory of training", memory, 1e-6, "MB", limits)


def _check(name: str, values: Sequence[float | None], factor: float, unit: str, limits: Limits) -> Check:
    earlier, last = [value for value in values[:-1] if value], values[-1] if values else None
    if not last or len(earlier) < _LEAST_RUNS:
        reason = f"{name}: {len(earlier)} earlier runs on this class of machine are too few, {_LEAST_RUNS} are needed."
        return Check(name, INSUFFICIENT, reason)
    usual = median(earlier)
    ratio, limit = last / usual, limits.max_training
    what = f"{name}: {last * factor:.3g} {unit}, in {len(earlier)} earlier runs {usual * factor:.3g} {unit} (median)"
    if ratio <= limit:
        return Check(name, PASSED, f"{what}.", ratio, limit)
    return Check(
        name,
        FAILED,
        f"{what}: more than {limit:.3g} times as much. Look for more rows, a larger search or a slower step, or raise 'max_training'.",
        ratio,
        limit,
    )
