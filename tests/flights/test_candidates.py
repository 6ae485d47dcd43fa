"""The candidates: exact for one row, quick to make again, and better than the base rate on months to come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from flights.baseline import BaseRate
from flights.calendar import with_calendar
from flights.candidates import boosting, candidates, forest, logistic
from flights.features import CATEGORICAL, NUMERIC
from flights.fields import INPUTS
from flights.install_data import ROOT
from flights.zones import HOME
from nbship.metrics import classification
from nbship.project import read_params

FAMILIES = [
    (logistic, {"C": 0.1}),
    (forest, {"leaf": 30, "seed": 1, "trees": 5}),
    (boosting, {"iterations": 10, "seed": 1}),
]


@pytest.fixture(scope="module")
def history(joined: pd.DataFrame) -> pd.DataFrame:
    holdout_from: Any = read_params(ROOT / "params.yaml")["prepare"]
    end = pd.Timestamp(holdout_from["holdout_from"], tz=HOME)
    return joined[joined["scheduled_departure"] < end]


@pytest.mark.parametrize(("build", "values"), FAMILIES)
def test_the_output_of_a_row_does_not_depend_on_the_other_rows(
    build: Any, values: dict[str, Any], history: pd.DataFrame
) -> None:
    sample = history.sample(4000, random_state=2)
    model = build(**values).fit(sample.drop(columns="late"), sample["late"].to_numpy())
    rows = history.sample(60, random_state=3)
    together = model.predict_proba(rows)[:, 1]
    alone = [model.predict_proba(rows.iloc[[position]])[0, 1] for position in range(len(rows))]
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("build", "values"), FAMILIES)
def test_unseen_codes_and_missing_values_give_a_prediction(
    build: Any, values: dict[str, Any], history: pd.DataFrame
) -> None:
    sample = history.sample(4000, random_state=2)
    model = build(**values).fit(sample.drop(columns="late"), sample["late"].to_numpy())
    row = history.head(1).assign(carrier="ZZ", dest="XXX", tailnum=None)
    row[row.columns[row.columns.get_loc("scheduled_arrival") + 1 :].drop("late")] = np.nan
    assert 0 < model.predict_proba(row)[0, 1] < 1


def test_the_features_are_what_the_candidates_count_on(history: pd.DataFrame) -> None:
    sample = history.sample(500, random_state=2)
    model = boosting(iterations=2, seed=0).fit(sample.drop(columns="late"), sample["late"].to_numpy())
    assert tuple(model[0].get_feature_names_out()) == (*CATEGORICAL, *NUMERIC)


def test_there_are_three_families_from_the_simplest_on() -> None:
    grids = {"logistic": {"C": [1.0]}, "forest": {"leaf": [9]}, "boosting": {"iterations": [3]}}
    names = [candidate.name for candidate in candidates(grids, seed=0)]
    assert names == ["logistic regression", "random forest", "gradient boosting"]


def test_every_month_from_july_on_is_better_than_the_base_rate_and_not_too_good(
    history: pd.DataFrame, joined: pd.DataFrame
) -> None:
    late = history["late"].to_numpy()
    model = boosting(iterations=160, seed=0).fit(history.drop(columns="late"), late)
    base = BaseRate.fit(with_calendar(history), late)
    later = with_calendar(joined)
    for month in range(7, 13):
        rows = later[(later["month"] == month) & (later["scheduled_departure"] > history["scheduled_departure"].max())]
        actual = rows["late"].to_numpy()
        ours = classification(
            actual, model.predict_proba(rows[[*INPUTS, *joined.columns.drop([*INPUTS, "late"])]])[:, 1]
        )
        theirs = classification(actual, base.predict(rows))
        assert ours["auc"] > theirs["auc"] + 0.015
        assert ours["average_precision"] > theirs["average_precision"] + 0.02
        assert ours["brier"] < theirs["brier"]
        # What knows more than this at departure knows it from afterwards.
        assert ours["auc"] < 0.78
