"""Training: nothing of the future in a fold, and the simplest good candidate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from nbship.errors import DataError, EmptyDataError
from nbship.training import Candidate, Trial, auc, choose, compare, search, split_by_time, time_folds


def trial(name: str, *scores: float) -> Trial:
    return Trial(Candidate(name, LogisticRegression), {}, scores)


def test_the_split_is_by_time_and_the_instant_belongs_to_the_later_part() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2013-03-01", "2013-01-01", "2013-02-01"], utc=True)})
    before, after = split_by_time(frame, "at", at=pd.Timestamp("2013-02-01", tz="UTC"))
    assert before["at"].dt.month.tolist() == [1]
    assert sorted(after["at"].dt.month) == [2, 3]


def test_a_split_outside_the_data_names_the_range() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2013-01-01", "2013-02-01"], utc=True)})
    with pytest.raises(EmptyDataError, match=r"No rows are at or after .*2013-01-01.*2013-02-01"):
        split_by_time(frame, "at", at=pd.Timestamp("2014-01-01", tz="UTC"))


def test_folds_learn_from_the_past_only_whatever_the_order_of_rows() -> None:
    times = np.random.default_rng(7).integers(0, 40, 500)
    folds = time_folds(times, folds=4)
    for fold in folds:
        assert times[fold.train].max() < times[fold.test].min()
    tested = np.concatenate([fold.test for fold in folds])
    assert len(set(tested.tolist())) == len(tested)
    assert set(tested.tolist()) | set(folds[0].train.tolist()) == set(range(500))


def test_too_few_times_for_the_folds_are_an_error() -> None:
    with pytest.raises(DataError, match=r"2 distinct times are too few for 3 folds"):
        time_folds([1, 1, 2, 2], folds=3)


def test_the_search_fits_every_combination_on_every_fold_in_order() -> None:
    rng = np.random.default_rng(3)
    inputs = pd.DataFrame({"x": rng.normal(size=200)})
    actual = inputs["x"].to_numpy() + rng.normal(size=200) > 0
    candidate = Candidate("logistic", LogisticRegression, {"C": [0.1, 1.0], "max_iter": [50, 100]})
    trials = search([candidate], inputs, actual, folds=time_folds(np.arange(200), folds=3))
    assert [found.values for found in trials] == [
        {"C": 0.1, "max_iter": 50},
        {"C": 0.1, "max_iter": 100},
        {"C": 1.0, "max_iter": 50},
        {"C": 1.0, "max_iter": 100},
    ]
    assert all(len(found.scores) == 3 and 0.6 < found.mean < 1 for found in trials)
    assert trials[0].label == "logistic (C=0.1, max_iter=50)"


def test_the_simplest_within_one_standard_error_wins_and_says_why() -> None:
    choice = choose([trial("plain", 0.70, 0.72), trial("fancy", 0.72, 0.71)])
    assert choice.trial.label == "plain"
    assert choice.best.label == "fancy"
    assert "plain is the simplest of 2 within one standard error" in choice.reason


def test_a_simple_candidate_that_is_always_worse_is_not_chosen() -> None:
    choice = choose([trial("plain", 0.70, 0.71), trial("fancy", 0.75, 0.76)])
    assert choice.trial is choice.best
    assert choice.trial.label == "fancy"
    assert "the most of 2" in choice.reason


def test_of_equal_trials_the_first_is_chosen() -> None:
    assert choose([trial("plain", 0.7, 0.7), trial("fancy", 0.7, 0.7)]).trial.label == "plain"


def test_nothing_to_choose_from_is_an_error() -> None:
    with pytest.raises(DataError, match="no trials"):
        choose([])


def test_the_comparison_lists_the_best_first_with_its_distance() -> None:
    table = compare([trial("plain", 0.70, 0.71), trial("fancy", 0.75, 0.76)])
    assert table["candidate"].tolist() == ["fancy", "plain"]
    assert table["loss"].tolist() == pytest.approx([0.0, 0.05])


def test_a_single_class_scores_half() -> None:
    assert auc([1, 1], [0.2, 0.9]) == 0.5
    assert auc([0, 1], [0.2, 0.9]) == 1.0
