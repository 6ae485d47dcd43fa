"""The gate on real flights: candidates with a planted mistake are rejected by name, and honest retrains pass.

Production was trained on January to April, candidates on January to May; June is held out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from flights.calendar import with_calendar
from flights.candidates import boosting, logistic
from flights.features import CATEGORICAL, NUMERIC, features
from flights.signature import signature
from flights.zones import HOME
from nbship import gate
from nbship.model import ColumnFeatures, Field, Provenance, Signature, build_package

# A fixed part of the flights, so that the same days have the same flights in every training set.
PART = 4
LIMITS = gate.Limits(
    least=0.65, min_gain=0.02, max_calibration_error=0.12, max_calibration_intercept=0.7, min_calibration_slope=0.6,
    max_calibration_slope=1.8, min_slice_rows=400, min_slice_auc=0.55, max_slice_bias=0.2, max_slower=None, max_larger=None,
)  # fmt: skip


class Candidate(NamedTuple):
    """A fitted estimator, and what the gate is given with it."""

    estimator: Any
    train: pd.DataFrame
    holdout: pd.DataFrame
    signature: Signature


class Flights:
    """A part of the flights, and the package of the model in production."""

    def __init__(self, joined: pd.DataFrame, folder: Path) -> None:
        keys = pd.util.hash_pandas_object(joined[["carrier", "flight", "origin", "scheduled_departure"]], index=False)
        self.rows = joined[(keys % PART == 0).to_numpy()].reset_index(drop=True)
        self.signature = replace(
            signature(carriers=sorted(joined["carrier"].unique()), dests=sorted(joined["dest"].unique()), threshold=0.4)
        )
        self.signature = replace(
            self.signature, inputs=tuple(replace(field, lookup=None) for field in self.signature.inputs)
        )
        self.train, self.holdout = self.between("2013-01-01", "2013-06-01"), self.between("2013-06-01", "2013-07-01")
        self.package = folder / "production"
        before, after = self.between("2013-01-01", "2013-05-01"), self.between("2013-05-01", "2013-06-01")
        estimator = fit(before)
        report = self.judge(Candidate(estimator, before, after, self.signature), production=None)
        assert report.passed, report.reasons
        names = list(self.signature.names)
        build_package(
            self.package, name="flights", estimator=estimator, signature=self.signature, golden=after[names].head(500),
            reference=before[names], provenance=Provenance(), verdict=report.verdict(),
        )  # fmt: skip

    def between(self, first: str, last: str) -> pd.DataFrame:
        times = self.rows["scheduled_departure"]
        inside = (times >= pd.Timestamp(first, tz=HOME)) & (times < pd.Timestamp(last, tz=HOME))
        return self.rows[inside].reset_index(drop=True)

    def judge(self, candidate: Candidate, *, production: Path | None, refits: int = 3) -> gate.Report:
        return gate.judge(
            candidate.estimator, train=candidate.train, holdout=with_calendar(candidate.holdout), label="late",
            signature=candidate.signature, production=production, limits=replace(LIMITS, refits=refits), slices=["carrier", "origin", "hour"],
        )  # fmt: skip

    def fitted(self, train: pd.DataFrame, **more: Any) -> Candidate:
        return Candidate(fit(train, **more), train, self.holdout, self.signature)


def fit(train: pd.DataFrame, *, estimator: Any = None, iterations: int = 60, seed: int = 0) -> Any:
    estimator = boosting(iterations=iterations, seed=seed) if estimator is None else estimator
    return estimator.fit(train.drop(columns="late"), train["late"].to_numpy())


@pytest.fixture(scope="module")
def flights(joined: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Flights:
    return Flights(joined, tmp_path_factory.mktemp("gate"))


def feature_forgotten(flights: Flights, rng: np.random.Generator) -> Candidate:
    names = (*CATEGORICAL, *NUMERIC)
    forgotten = int(rng.integers(len(names)))
    kept = [place for place in range(len(names)) if place != forgotten]
    pipeline = boosting(iterations=60, seed=0)
    pipeline.steps.insert(1, ("drop", ColumnTransformer([("kept", "passthrough", kept)])))
    pipeline[-1].set_params(categorical_features=[k for k, place in enumerate(kept) if place < len(CATEGORICAL)])
    return flights.fitted(flights.train, estimator=pipeline)


def _shuffled(flights: Flights, rng: np.random.Generator, share: float) -> Candidate:
    late = flights.train["late"].to_numpy().copy()
    some = rng.random(len(late)) < share
    late[some] = rng.permutation(late[some])
    return flights.fitted(flights.train.assign(late=late))


def labels_shuffled(flights: Flights, rng: np.random.Generator) -> Candidate:
    return _shuffled(flights, rng, 1.0)


def some_labels_shuffled(flights: Flights, rng: np.random.Generator) -> Candidate:
    return _shuffled(flights, rng, 0.05)


def month_stale(flights: Flights, rng: np.random.Generator) -> Candidate:
    return flights.fitted(flights.between("2013-01-01", "2013-05-01"), seed=int(rng.integers(1000)))


def leaky(columns: Any) -> Any:
    """Compute the features, and one that is known only after the arrival."""
    return {**features(columns), "minutes": columns["minutes"]}


def target_leaked(flights: Flights, rng: np.random.Generator) -> Candidate:
    def leak(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(minutes=frame["late"] * 30.0 + rng.normal(0, 20, len(frame)))

    train, holdout = leak(flights.train), leak(flights.holdout)
    pipeline = Pipeline([("features", ColumnFeatures(leaky, categorical=CATEGORICAL)), *boosting(iterations=60, seed=0).steps[1:]])  # fmt: skip
    fields = (*flights.signature.inputs, Field("minutes", "float", nullable=True))
    return Candidate(fit(train, estimator=pipeline), train, holdout, replace(flights.signature, inputs=fields))


def fahrenheit_to_celsius(flights: Flights, rng: np.random.Generator) -> Candidate:
    names = ["temperature", "dew_point"][: 1 + int(rng.integers(2))]
    return flights.fitted(
        flights.train.assign(**{name: (flights.train[name] - 32) / 1.8 for name in names}), seed=int(rng.integers(1000))
    )


def miles_to_kilometers(flights: Flights, rng: np.random.Generator) -> Candidate:
    name = ["wind_speed", "visibility"][int(rng.integers(2))]
    return flights.fitted(flights.train.assign(**{name: flights.train[name] * 1.609344}), seed=int(rng.integers(1000)))


def clock_an_hour_ahead(flights: Flights, rng: np.random.Generator) -> Candidate:
    hour = pd.Timedelta(hours=1)
    moved = {name: flights.train[name] + hour for name in ("scheduled_departure", "scheduled_arrival")}
    return flights.fitted(flights.train.assign(**moved), seed=int(rng.integers(1000)))


def codes_permuted(flights: Flights, rng: np.random.Generator) -> Candidate:
    name = ["carrier", "origin", "dest"][int(rng.integers(3))]
    codes = sorted(flights.train[name].unique())
    other = dict(zip(codes, np.roll(codes, 1 + int(rng.integers(len(codes) - 1))), strict=True))
    return flights.fitted(flights.train.assign(**{name: flights.train[name].map(other)}))


def labels_of_a_slice_flipped(flights: Flights, rng: np.random.Generator) -> Candidate:
    name = ["carrier", "origin"][int(rng.integers(2))]
    counts = flights.train[name].value_counts()
    inside = flights.train[name] == rng.choice(counts.index[counts >= 100].to_numpy(dtype=object))
    return flights.fitted(flights.train.assign(late=flights.train["late"] ^ inside))


def scaler_fitted_on_the_held_out_rows(flights: Flights, rng: np.random.Generator) -> Candidate:
    estimator = logistic(C=float(rng.choice([0.1, 1.0, 10.0])))
    train, holdout = flights.train.drop(columns="late"), flights.holdout.drop(columns="late")
    codes = estimator[0].fit_transform(train)
    estimator[1].fit(estimator[0].transform(holdout))
    estimator[2].fit(estimator[1].transform(codes), flights.train["late"].to_numpy())
    return Candidate(estimator, flights.train, flights.holdout, flights.signature)


SAME_INPUTS, SAME_LABELS = "same days, same inputs", "same days, same labels"
# Mutant -> the check that names it.
MUTANTS: dict[Callable[[Flights, np.random.Generator], Candidate], str] = {
    feature_forgotten: "no feature forgotten",
    labels_shuffled: SAME_LABELS,
    some_labels_shuffled: SAME_LABELS,
    month_stale: "training window",
    target_leaked: "no input gives the label away",
    fahrenheit_to_celsius: SAME_INPUTS,
    miles_to_kilometers: SAME_INPUTS,
    clock_an_hour_ahead: SAME_INPUTS,
    codes_permuted: SAME_INPUTS,
    labels_of_a_slice_flipped: SAME_LABELS,
    scaler_fitted_on_the_held_out_rows: "fitted again",
}


def honest(flights: Flights, rng: np.random.Generator) -> Candidate:
    """Return a retrain with other settings, on a sample, on a shorter window, or on days drawn again."""
    kind, train, number = int(rng.integers(4)), flights.train, len(flights.train)
    if kind == 0:
        return flights.fitted(train, iterations=int(rng.integers(50, 120)), seed=int(rng.integers(1000)))
    if kind == 1:
        rows = np.sort(rng.choice(number, int(0.9 * number), replace=False))
        return flights.fitted(train.iloc[rows].reset_index(drop=True))
    if kind == 2:
        return flights.fitted(flights.between(f"2013-01-{int(rng.integers(2, 29)):02}", "2013-06-01"))
    days = train["scheduled_departure"].dt.tz_convert(HOME).dt.day_of_year.to_numpy()
    times = rng.multinomial(days.max() + 1, np.full(days.max() + 1, 1 / (days.max() + 1)))[days]
    return flights.fitted(train.iloc[np.repeat(np.arange(number), times)].reset_index(drop=True))


def _rejecting(flights: Flights, make: Callable[..., Candidate], seed: int) -> list[str]:
    refits = 3 if make in (honest, scaler_fitted_on_the_held_out_rows) else 0
    report = flights.judge(make(flights, np.random.default_rng(seed)), production=flights.package, refits=refits)
    return [check.name for check in report.checks if not check.accepted]


def test_a_mutant_is_rejected_by_name(flights: Flights) -> None:
    assert MUTANTS[some_labels_shuffled] in _rejecting(flights, some_labels_shuffled, 0)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.__name__)
def test_a_mutant_is_rejected_by_name_in_nearly_all_seeds(flights: Flights, mutant: Callable[..., Candidate]) -> None:
    found = [_rejecting(flights, mutant, seed) for seed in range(20)]
    assert sum(MUTANTS[mutant] in names for names in found) >= 19, found


def test_an_honest_retrain_passes(flights: Flights) -> None:
    assert _rejecting(flights, honest, 0) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nearly_all_honest_retrains_pass(flights: Flights) -> None:
    found = [_rejecting(flights, honest, seed) for seed in range(20)]
    assert sum(not names for names in found) >= 19, found
