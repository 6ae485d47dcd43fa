"""Model selection over time: split by time, search over time-ordered folds, choose the simplest good candidate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError, EmptyDataError
from .metrics import classification

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Candidate", "Choice", "Fold", "Trial", "auc", "choose", "compare", "search", "split_by_time", "time_folds"]

Indices: TypeAlias = NDArray[np.intp]
Score: TypeAlias = Callable[[ArrayLike, ArrayLike], float]


@dataclass(frozen=True)
class Fold:
    """Positions of training rows, and of the later test rows, from 0."""

    train: Indices
    test: Indices


@dataclass(frozen=True)
class Candidate:
    """A family of models and its grid of settings.

    Attributes
    ----------
    build
        Function that returns a new estimator; it is called with one value of each entry of `grid`, by keyword.
    grid
        Values of each setting, from the simplest to the most complex.
    """

    name: str
    build: Callable[..., Any]
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """The scores of a candidate with one combination of settings, one per fold."""

    candidate: Candidate
    values: Mapping[str, Any]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean score over the folds."""
        return float(np.mean(self.scores))

    @property
    def label(self) -> str:
        """Name and settings as a string."""
        values = ", ".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.candidate.name} ({values})" if values else self.candidate.name


@dataclass(frozen=True)
class Choice:
    """The chosen trial, the trial with the best mean score, and the reason for the choice."""

    trial: Trial
    best: Trial
    reason: str


def split_by_time(frame: pd.DataFrame, column: str, *, at: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows into those before the time `at` and those from it on.

    Raises
    ------
    EmptyDataError
        If either part would be empty.

    Examples
    --------
    >>> import pandas as pd
    >>> before, after = split_by_time(pd.DataFrame({"day": [1, 2, 3]}), "day", at=3)
    >>> before["day"].tolist(), after["day"].tolist()
    ([1, 2], [3])
    """
    later = frame[column] >= at
    before, after = frame[~later].reset_index(drop=True), frame[later].reset_index(drop=True)
    if before.empty or after.empty:
        side = "before" if before.empty else "at or after"
        raise EmptyDataError(
            f"No rows are {side} '{at}': '{column}' goes from {frame[column].min()} to {frame[column].max()}. Choose a time in between."
        )
    return before, after


def time_folds(times: ArrayLike, *, folds: int, first: float = 0.5) -> tuple[Fold, ...]:
    """Return folds with expanding training sets, each tested on the rows that follow.

    Rows of equal time are never on both sides of a cut.

    Parameters
    ----------
    times
        The time of each row, shape (n,), in any order.
    folds
        The number of folds.
    first
        The share of rows in the first training set.

    Raises
    ------
    DataError
        If there are too few distinct times.

    Examples
    --------
    >>> [(fold.train.tolist(), fold.test.tolist()) for fold in time_folds([1, 2, 3, 4], folds=2)]
    [([0, 1], [2]), ([0, 1, 2], [3])]
    """
    stamps = np.asarray(times)
    ordered = np.sort(stamps, kind="stable")
    shares = np.linspace(first, 1.0, folds + 1)[:-1]
    cuts = [ordered[int(share * len(ordered))] for share in shares] if len(ordered) else []
    if folds < 1 or len(set(cuts)) < folds or (len(ordered) and cuts[0] == ordered[0]):
        raise DataError(
            f"{len(set(ordered.tolist()))} distinct times are too few for {folds} folds. Use fewer folds or more data."
        )
    position = np.arange(len(stamps))
    ends = [*cuts[1:], None]
    return tuple(
        Fold(position[stamps < cut], position[(stamps >= cut) & ((stamps < end) if end is not None else True)])
        for cut, end in zip(cuts, ends, strict=True)
    )


def auc(actual: ArrayLike, probability: ArrayLike) -> float:
    """Return the area under the ROC curve, or 0.5 for a single class.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    found = classification(actual, probability)["auc"]
    return 0.5 if found is None else float(found)


def search(
    candidates: Sequence[Candidate],
    inputs: pd.DataFrame,
    actual: ArrayLike,
    *,
    folds: Sequence[Fold],
    score: Score = auc,
) -> tuple[Trial, ...]:
    """Fit every candidate with every combination of its settings on every fold.

    Returns
    -------
    tuple
        The trials, in the order of candidates and grids: from the simplest to the most complex.
    """
    labels = np.asarray(actual)
    trials = []
    for candidate in candidates:
        for values in _combinations(candidate.grid):
            scores = tuple(_fold_score(candidate.build(**values), inputs, labels, fold, score) for fold in folds)
            trials.append(Trial(candidate, values, scores))
    return tuple(trials)


def choose(trials: Sequence[Trial]) -> Choice:
    """Choose the simplest trial that is as good as the best, within one standard error.

    The simplest is the first in the order of `trials`. The standard error is that of the paired differences over the
    folds (the one standard error rule of Breiman et al. 1984).

    Raises
    ------
    DataError
        If there are no trials.

    Examples
    --------
    >>> simple, complex_ = Candidate("simple", dict), Candidate("complex", dict)
    >>> choice = choose([Trial(simple, {}, (0.70, 0.72)), Trial(complex_, {}, (0.72, 0.71))])
    >>> choice.trial.label, choice.best.label
    ('simple', 'complex')
    """
    if not trials:
        raise DataError("There are no trials. Pass at least one candidate to `search`.")
    best = max(trials, key=lambda trial: trial.mean)
    for trial in trials:
        loss, error = _difference(best, trial)
        if loss <= error:
            return Choice(trial, best, _reason(trial, best, loss=loss, error=error, count=len(trials)))
    raise AssertionError("the best trial is within any error of itself")


def compare(trials: Sequence[Trial]) -> pd.DataFrame:
    """Tabulate trials, the best first: name, settings, mean score, loss against the best and its standard error.

    >>> trials = [Trial(Candidate("a", dict), {}, (0.6, 0.7)), Trial(Candidate("b", dict), {}, (0.7, 0.8))]
    >>> compare(trials)["candidate"].tolist()
    ['b', 'a']
    """
    import pandas as pd

    best = max(trials, key=lambda trial: trial.mean)
    rows = []
    for trial in trials:
        loss, error = _difference(best, trial)
        rows.append(
            {"candidate": trial.candidate.name, "values": trial.label, "mean": trial.mean, "loss": loss, "error": error}
        )
    return pd.DataFrame(rows).sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)


def _combinations(grid: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _fold_score(estimator: Any, inputs: pd.DataFrame, labels: NDArray[Any], fold: Fold, score: Score) -> float:
    estimator.fit(inputs.iloc[fold.train], labels[fold.train])
    return score(labels[fold.test], estimator.predict_proba(inputs.iloc[fold.test])[:, 1])


def _difference(best: Trial, trial: Trial) -> tuple[float, float]:
    differences = np.subtract(best.scores, trial.scores)
    if trial is best or len(differences) < 2:
        return float(differences.mean()), 0.0
    return float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(differences)))


def _reason(trial: Trial, best: Trial, *, loss: float, error: float, count: int) -> str:
    if trial is best:
        return f"{best.label} scores {best.mean:.4f} over {len(best.scores)} folds, the most of {count}, and no simpler one comes within one standard error of it."
    return (
        f"{trial.label} is the simplest of {count} within one standard error of the best: "
        f"it scores {trial.mean:.4f}, {loss:.4f} less than {best.label}, and the standard error of that difference is {error:.4f}."
    )
