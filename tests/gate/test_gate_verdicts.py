"""What the gate says: accepted, rejected with a reason, undecided, insufficient; with and without a model in production."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gate_cases import LIMITS, SIGNATURE, between, fit, judge, make_orders, production
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbship import gate
from nbship.errors import DataError, EmptyDataError, PackageError, SettingsError
from nbship.model import Field, Output, Signature
from nbship.run_records import RunRecord

QUICK = replace(LIMITS, refits=0, max_slower=None, max_larger=None)


class Case:
    """Orders, the package in production, and an honest candidate."""

    def __init__(self, folder: Path) -> None:
        self.orders = make_orders()
        self.package = production(folder / "production", self.orders)
        self.train, self.holdout = between(self.orders, 0, 48), between(self.orders, 48, 60)
        self.candidate = fit(self.train)

    def rejected(self, estimator: Any = None, train: Any = None, holdout: Any = None, **more: Any) -> dict[str, str]:
        """Return the names and reasons of the checks that reject a candidate, compared with production."""
        report = judge(
            estimator or self.candidate, self.train if train is None else train,
            self.holdout if holdout is None else holdout, **{"production": self.package, "limits": QUICK, **more},
        )  # fmt: skip
        return {check.name: check.reason for check in report.checks if not check.accepted}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("verdicts"))


def test_the_first_model_is_compared_with_the_base_rate(case: Case, tmp_path: Path) -> None:
    (tmp_path / "production").mkdir()
    report = judge(case.candidate, case.train, case.holdout, production=tmp_path / "production")
    assert report.passed
    assert report.production is None
    assert report.comparisons.keys() == {"baseline"}
    assert report.differences is None
    assert report.reasons == ["12 checks passed"]


def test_an_honest_candidate_passes_and_the_report_names_production(case: Case) -> None:
    assert case.rejected() == {}
    report = judge(case.candidate, case.train, case.holdout, production=case.package)
    assert report.passed
    assert report.verdict()["production"] == report.production
    assert report.verdict()["measured"] == ["latency of one row", "CPU time of training", "memory of training"]


def test_what_is_undecided_or_too_little_is_no_yes(case: Case) -> None:
    few = between(case.orders, 48, 52)
    reasons = case.rejected(holdout=few)
    assert reasons["AUC"] == "AUC: 4 blocks of held-out rows are too few. Hold out at least 5."
    rng = np.random.default_rng(0)
    noisy = case.holdout.assign(distance=case.holdout["distance"] + rng.normal(0, 6, len(case.holdout)))
    reasons = case.rejected(holdout=noisy, limits=replace(QUICK, margin=1e-6), estimator=fit(case.train, C=0.01))
    found = reasons["AUC against production"]
    assert "undecided" in found or "worse" in found
    report = judge(case.candidate, case.train, case.holdout, baseline=case.candidate.predict_proba(case.holdout)[:, 1], limits=QUICK)  # fmt: skip
    [against] = [check for check in report.checks if check.name == "AUC against the baseline"]
    assert (against.verdict, report.passed) == ("undecided", False)


def test_a_worse_model_is_rejected_with_words_to_act_on(case: Case) -> None:
    poor = fit(case.train, columns=("items",))
    reasons = case.rejected(poor)
    assert "is 0." in reasons["AUC against production"]
    assert "Compare the training rows and features of both" in reasons["AUC against production"]
    assert reasons["no feature forgotten"].startswith("The candidate does not use the input 'distance' (and 1 more)")
    assert "ignores 'distance'" in reasons["inputs used"]
    explained = case.rejected(poor, reason_of_changes="distance is no longer measured")
    assert not {"no feature forgotten", "inputs used"} & explained.keys()


def test_limits_reject_alone(case: Case) -> None:
    rejected = case.rejected(limits=replace(QUICK, least=0.99, min_slice_auc=0.99, max_slice_bias=0.0, max_calibration_error=0.0))  # fmt: skip
    assert rejected.keys() == {"AUC", "AUC by shop", "bias by shop", "calibration error"}
    assert case.rejected(limits=replace(QUICK, min_gain=0.5)).keys() == {"AUC against the baseline"}
    assert case.rejected(limits=replace(QUICK, max_gain=-0.5)).keys() == {"too good to be true"}
    assert case.rejected(limits=replace(QUICK, max_larger=0.1)).keys() == {"size of the model's files"}


def test_a_simpler_model_that_is_better_is_named(case: Case) -> None:
    better = 0.9 * case.holdout["late"] + 0.05
    assert case.rejected(simpler={"rule": better}).keys() == {"AUC against the simpler model (rule)"}


def test_mistakes_in_the_training_rows_are_named(case: Case) -> None:
    rng = np.random.default_rng(0)
    late = case.train["late"].to_numpy().copy()
    some = rng.random(len(late)) < 0.05
    late[some] = rng.permutation(late[some])
    shuffled = case.train.assign(late=late)
    assert "same days, same labels" in case.rejected(fit(shuffled), shuffled)
    celsius = case.train.assign(distance=case.train["distance"] * 1.609344)
    assert "'distance' differ" in case.rejected(fit(celsius), celsius)["same days, same inputs"]
    stale = between(case.orders, 0, 38)
    reasons = case.rejected(fit(stale), stale)
    assert reasons["training window"].startswith("The last training row is of 2024-04-07, 10 days before")
    older = between(case.orders, 0, 39)
    assert "before those of production" in case.rejected(fit(older), older, limits=replace(QUICK, max_gap_days=30))["training window"]  # fmt: skip
    both = pd.concat([case.train, case.holdout], ignore_index=True)
    assert "rows shared with training" in case.rejected(fit(both), both)
    leak = case.train.assign(rain=case.train["late"] * 1.0 + rng.normal(0, 0.2, len(case.train)))
    assert "'rain' has an AUC" in case.rejected(fit(leak), leak)["no input gives the label away"]


def test_a_candidate_that_was_fitted_on_other_rows_is_named(case: Case) -> None:
    other = fit(pd.concat([case.train, case.holdout], ignore_index=True))
    refitting = replace(QUICK, refits=3)
    assert "fitted again" in case.rejected(other, limits=refitting)
    assert "fitted again" not in case.rejected(limits=refitting)


def test_a_large_difference_from_production_needs_more_than_the_noise_of_refits(case: Case) -> None:
    assert "differences from production" in case.rejected(
        fit(case.train, C=1e-4), limits=replace(QUICK, refits=3, max_gain=1.0)
    )


def test_a_changed_signature_needs_a_reason(case: Case) -> None:
    changed = Signature(
        (*SIGNATURE.inputs[:-1], Field("wind", "float", nullable=True)), SIGNATURE.outputs, event_time="at"
    )
    train, holdout = (frame.assign(wind=frame["rain"] + 1) for frame in (case.train, case.holdout))
    candidate = fit(train, columns=("items", "distance", "wind"))
    given = {"estimator": candidate, "train": train, "signature": changed}
    reasons = case.rejected(**given, holdout=holdout)
    assert reasons["same signature"].startswith("The inputs changed: 'rain' is gone; 'wind' is new.")
    assert case.rejected(**given, holdout=holdout, reason_of_changes="another gauge") == {}
    with pytest.raises(DataError, match="lack 'rain', which the model in production needs"):
        case.rejected(**given, holdout=holdout.drop(columns="rain"))


def test_rows_that_production_was_trained_on_are_not_compared(case: Case) -> None:
    report = judge(case.candidate, case.train, between(case.orders, 30, 60), production=case.package, limits=QUICK)
    assert report.comparisons["production"]["rows"] == len(between(case.orders, 40, 60))


def test_a_production_folder_that_is_no_package_is_an_error(case: Case, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(PackageError, match="is not empty and holds no package"):
        case.rejected(production=tmp_path)


def test_wrong_rows_are_errors(case: Case) -> None:
    with pytest.raises(DataError, match="no column 'late', the label"):
        case.rejected(holdout=case.holdout.drop(columns="late"))
    with pytest.raises(EmptyDataError, match="no held-out rows"):
        case.rejected(holdout=case.holdout.iloc[:0])
    with pytest.raises(DataError, match=r"no column 'city', which 'slices'"):
        case.rejected(slices=["city"])
    with pytest.raises(DataError, match=r"no column 'week', which 'gates\.block'"):
        case.rejected(settings={"block": "week"})
    with pytest.raises(DataError, match="'baseline' has 3 predictions"):
        case.rejected(baseline=[0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("distance", "has the change 'distance', which cannot be read"),
        ("distance + much", "cannot be read"),
        ("distanse + 5", r"changes 'distanse', which the rows do not have. Did you mean 'distance'"),
        ("at + 5", "'at' .* needs a unit, such as '1 hour'"),
        ("distance + 1 hour", "'distance' .* is not a timestamp"),
    ],
)
def test_an_expectation_that_cannot_be_read_is_an_error(case: Case, change: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        case.rejected(settings={"expectations": [{"change": change, "answer": "same"}]})


def test_a_broken_expectation_is_named_with_its_largest_change(case: Case) -> None:
    expectation = {"change": 'shop = "c"', "answer": "not higher"}
    [reason] = case.rejected(settings={"expectations": [expectation]}).values()
    assert "With 'shop = \"c\"' the prediction should be not higher in 100.0% of the rows, and is in" in reason


def test_checks_of_the_project_count_too(case: Case) -> None:
    assert case.rejected(also=[gate.at_most("complaints", 3, 2, remedy="Call them.")]) == {
        "complaints": "complaints is 3, above the limit 2. Call them."
    }


def test_training_that_costs_much_more_is_rejected_by_the_verdict_and_else_not_in_it(case: Case) -> None:
    def runs(last: float) -> list[RunRecord]:
        return [
            RunRecord("train", "2024-01-01", "done", 1.0, cpu, 10**9, "3.11", "linux") for cpu in [5.0] * 6 + [last]
        ]

    usual, slow = (
        judge(case.candidate, case.train, case.holdout, limits=QUICK, history=runs(last)) for last in (5.5, 15)
    )
    assert usual.verdict() == judge(case.candidate, case.train, case.holdout, limits=QUICK).verdict()
    assert not slow.passed
    assert slow.reasons[0].startswith("CPU time of training: 15 s, in 6 earlier runs 5 s (median): more than 2 times")


def test_values_are_judged_by_their_errors(case: Case) -> None:
    signature = Signature(SIGNATURE.inputs, (Output("cost", "float", "value"),), event_time="at")
    rng = np.random.default_rng(0)
    train, holdout = (
        frame.assign(cost=3 * frame["items"] + frame["distance"] + rng.normal(0, 1, len(frame))).drop(columns="late")
        for frame in (case.train, case.holdout)
    )
    columns = ["items", "distance"]
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(train[columns], train["cost"])

    class Columns:
        def __init__(self) -> None:
            self.predict = lambda frame: model.predict(frame[columns])

    report = gate.judge(Columns(), train=train, holdout=holdout, label="cost", signature=signature, limits=gate.Limits(most=1.0))  # fmt: skip
    assert report.measure == "mae"
    assert report.passed
    assert report.comparisons["baseline"]["verdict"] == "better"


def test_the_report_has_tables_and_figures(case: Case) -> None:
    report = judge(case.candidate, case.train, case.holdout, production=case.package, limits=replace(QUICK, refits=3))
    assert list(report.table().columns) == ["check", "verdict", "value", "limit", "95 %"]
    assert len(report.worst_rows()) == 20
    for plot in (gate.plot_gains, gate.plot_slices, gate.plot_differences):
        assert plot(report).axes
    first = judge(case.candidate, case.train, case.holdout, limits=QUICK)
    assert gate.plot_differences(first) is None


def test_personal_values_are_not_in_the_report(case: Case) -> None:
    signature = SIGNATURE.edit("shop", pii=True)
    report = judge(case.candidate, case.train, case.holdout, production=case.package, limits=QUICK, signature=signature)
    assert "items" in report.worst_rows()
    assert "shop" not in report.worst_rows()
