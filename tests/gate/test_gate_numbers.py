"""Every number of a gate report, computed again from the rows with other code: pandas, scikit-learn, statsmodels, loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from gate_cases import INPUTS, LIMITS, between, fit, judge, make_orders, production
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from nbship.notebook import canonical_json
from nbship.predictor import load

EXPECTATIONS = [
    {"change": "order = 1", "answer": "same"},
    {"change": "distance + 5", "answer": "not lower"},
    {"change": "at + 1 day", "answer": "same", "share": 0.5},
]


class Case:
    """A report, and what it was made from."""

    def __init__(self, folder: Path) -> None:
        orders = make_orders()
        self.package = production(folder / "production", orders)
        self.train, self.holdout = between(orders, 0, 48), between(orders, 48, 60)
        self.estimator = fit(self.train, C=0.3)
        self.simple = np.clip(0.2 + 0.03 * self.holdout["items"].to_numpy(), 0, 1)
        report = judge(
            self.estimator, self.train, self.holdout, production=self.package, simpler={"items": self.simple},
            settings={"expectations": EXPECTATIONS},
        )  # fmt: skip
        # As the product holds it.
        self.report = json.loads(canonical_json(report.to_json()))
        self.checks = {check["name"]: check for check in self.report["checks"]}
        self.y = self.holdout["late"].to_numpy().astype(float)
        self.p = self.estimator.predict_proba(self.holdout)[:, 1]
        self.before = np.asarray(load(self.package).predict(self.holdout[INPUTS]).probability)
        self.day = self.holdout["at"].dt.date.to_numpy()

    def value(self, name: str) -> float:
        return float(self.checks[name]["value"])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("gate"))


def test_the_report_passes_and_every_check_has_a_place_here(case: Case) -> None:
    assert case.report["passed"] is True, case.report["reasons"]
    assert set(case.checks) == {
        "AUC", "AUC against the baseline", "AUC against the simpler model (items)", "AUC against production",
        "too good to be true", "calibration error", "calibration intercept", "calibration slope", "AUC by shop",
        "bias by shop", "negative flips by shop", "order = 1: same", "distance + 5: not lower", "at + 1 day: same",
        "training window", "rows shared with training", "held-out rows in the range of training",
        "no input gives the label away", "same days, same inputs", "same days, same labels", "fitted again",
        "same signature", "no feature forgotten", "inputs used", "differences from production",
        "size of the model's files",
    }  # fmt: skip


def test_measures(case: Case) -> None:
    for name, p in (("candidate", case.p), ("items", case.simple)):
        found = case.report["measures"][name]
        assert found["n"] == len(case.y)
        assert found["auc"] == pytest.approx(roc_auc_score(case.y, p))
        assert found["brier"] == pytest.approx(brier_score_loss(case.y, p))
        assert found["log_loss"] == pytest.approx(log_loss(case.y, p))
        assert found["average_precision"] == pytest.approx(average_precision_score(case.y, p))
        assert found["accuracy"] == pytest.approx(np.mean((p >= 0.5) == (case.y == 1)))
    base = case.report["measures"]["baseline"]
    assert base["mean_probability"] == pytest.approx(case.train["late"].mean())
    assert base["auc"] == 0.5
    assert case.value("AUC") == case.report["measures"]["candidate"]["auc"]
    table = pd.DataFrame({"p": case.p, "y": case.y}).sort_values("p", kind="stable").reset_index(drop=True)
    bins = np.floor(np.arange(len(table)) * 10 / len(table))
    # Bins begin where a tenth of the rows is full.
    starts = [k * len(table) // 10 for k in range(10)]
    bins = np.searchsorted(starts, np.arange(len(table)), side="right")
    parts = table.groupby(bins)
    error = (parts["p"].mean() - parts["y"].mean()).abs() @ parts.size() / len(table)
    assert case.value("calibration error") == pytest.approx(error)


def test_calibration_line(case: Case) -> None:
    logit = np.log(case.p / (1 - case.p))
    intercept = sm.GLM(case.y, np.ones(len(logit)), family=sm.families.Binomial(), offset=logit).fit()
    slope = sm.GLM(case.y, sm.add_constant(logit), family=sm.families.Binomial()).fit()
    assert case.value("calibration intercept") == pytest.approx(abs(intercept.params[0]), rel=1e-6)
    assert case.value("calibration slope") == pytest.approx(slope.params[1], rel=1e-6)
    clustered = slope._results if hasattr(slope, "_results") else slope
    codes = pd.factorize(case.day)[0]
    robust = sm.GLM(case.y, sm.add_constant(logit), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    days = len(set(codes))
    reach = student.ppf(0.975, days - 1) * robust.bse[1] * np.sqrt(days / (days - 1))
    low, high = case.checks["calibration slope"]["interval"]
    rows = sm.GLM(case.y, sm.add_constant(logit), family=sm.families.Binomial()).fit(cov_type="HC0")
    alone = student.ppf(0.975, days - 1) * rows.bse[1]
    assert (high - low) / 2 == pytest.approx(max(reach, alone), rel=0.01)
    assert clustered is not None


@pytest.mark.parametrize("name", ["baseline", "items", "production"])
def test_comparisons(case: Case, name: str) -> None:
    other = {"baseline": np.full(len(case.y), case.train["late"].mean()), "items": case.simple, "production": case.before}[name]  # fmt: skip
    found = case.report["comparisons"][name]
    assert (found["model"], found["other"]) == (
        pytest.approx(roc_auc_score(case.y, case.p)),
        pytest.approx(roc_auc_score(case.y, other)),
    )
    gain = found["model"] - found["other"]
    assert found["gain"] == pytest.approx(gain, abs=1e-12)
    rng, rows, gains = np.random.default_rng(5), {day: np.flatnonzero(case.day == day) for day in set(case.day)}, []
    days = sorted(rows)
    for _ in range(300):
        drawn = np.concatenate([rows[days[k]] for k in rng.integers(0, len(days), len(days))])
        gains.append(roc_auc_score(case.y[drawn], case.p[drawn]) - roc_auc_score(case.y[drawn], other[drawn]))
    reach = student.ppf(0.975, len(days) - 1) * np.std(gains) * np.sqrt(len(days) / (len(days) - 1))
    assert found["high"] - gain == pytest.approx(reach, rel=0.15, abs=1e-6)
    assert gain - found["low"] == pytest.approx(reach, rel=0.15, abs=1e-6)
    label = {"baseline": "the baseline", "items": "the simpler model (items)", "production": "production"}[name]
    assert case.checks[f"AUC against {label}"]["value"] == found["gain"]
    assert case.checks[f"AUC against {label}"]["interval"] == [found["low"], found["high"]]


def test_slices(case: Case) -> None:
    found = {row["value"]: row for row in case.report["slices"]}
    assert set(found) == {"a", "b", "c"}
    frame = case.holdout.assign(p=case.p, before=case.before, y=case.y, day=case.day)
    for shop, rows in frame.groupby("shop"):
        row = found[shop]
        assert (row["n"], row["base_rate"], row["mean"]) == (
            len(rows), pytest.approx(rows["y"].mean()), pytest.approx(rows["p"].mean())
        )  # fmt: skip
        assert row["auc"] == pytest.approx(roc_auc_score(rows["y"], rows["p"]))
        assert row["bias"] == pytest.approx((rows["p"] - rows["y"]).mean())
        right, was = (rows["p"] >= 0.5) == (rows["y"] == 1), (rows["before"] >= 0.5) == (rows["y"] == 1)
        assert row["negative_flips"] == pytest.approx((was & ~right).mean())
        assert row["positive_flips"] == pytest.approx((right & ~was).mean())
        assert row["flips"] == pytest.approx((was & ~right).mean() - (right & ~was).mean())
        residual = (rows["p"] - rows["y"]) - row["bias"]
        by_day = residual.groupby(rows["day"]).sum()
        days = len(by_day)
        error = np.sqrt(max((by_day**2).sum() * days / (days - 1), (residual**2).sum() * len(rows) / (len(rows) - 1)))
        assert row["bias_error"] == pytest.approx(error / len(rows))
    values, errors = (np.array([row[key] for row in case.report["slices"]]) for key in ("bias", "bias_error"))
    assert [row["bias_shrunk"] for row in case.report["slices"]] == pytest.approx(_shrunk(values, errors))
    worst = max(case.report["slices"], key=lambda row: abs(row["bias_shrunk"]))
    assert case.value("bias by shop") == worst["bias_shrunk"]
    assert case.value("AUC by shop") == min(row["auc_shrunk"] for row in case.report["slices"])
    assert case.value("negative flips by shop") in [row["flips"] for row in case.report["slices"]]


def _shrunk(values: Any, errors: Any) -> list[float]:
    """DerSimonian and Laird, by hand."""
    weight = 1 / (errors**2 + 1e-12)
    mean = (weight * values).sum() / weight.sum()
    q = (weight * (values - mean) ** 2).sum()
    between_ = max(0.0, (q - (len(values) - 1)) / (weight.sum() - (weight**2).sum() / weight.sum()))
    return [
        (between_ * v + (e**2 + 1e-12) * mean) / (between_ + e**2 + 1e-12) for v, e in zip(values, errors, strict=True)
    ]


def test_expectations(case: Case) -> None:
    rows = case.holdout.iloc[np.linspace(0, len(case.holdout) - 1, min(5000, len(case.holdout))).astype(int)]
    base = case.estimator.predict_proba(rows)[:, 1]
    further = case.estimator.predict_proba(rows.assign(distance=rows["distance"] + 5))[:, 1]
    assert case.value("distance + 5: not lower") == np.mean(further >= base - 1e-9)
    assert case.value("order = 1: same") == 1.0
    assert case.value("at + 1 day: same") == 1.0


def test_training_rows(case: Case) -> None:
    assert case.value("training window") == 0.0
    assert case.value("rows shared with training") == 0.0
    outside = max(
        ((case.holdout[name] < case.train[name].quantile(0.001)) | (case.holdout[name] > case.train[name].quantile(0.999))).mean()
        for name in ("items", "distance", "rain")
    )  # fmt: skip
    assert case.value("held-out rows in the range of training") == pytest.approx(outside, abs=2e-3)
    areas = [roc_auc_score(case.train["late"], case.train[name]) for name in ("items", "distance", "rain")]
    assert case.value("no input gives the label away") == pytest.approx(max(areas))
    assert case.value("same days, same inputs") == 0.0
    assert case.value("same days, same labels") == 0.0
    assert [(row["difference"], row["days"]) for row in case.report["inputs"]] == [(0.0, 40)] * 6
    assert [case.value(name) for name in ("same signature", "no feature forgotten", "inputs used", "fitted again")] == [
        0
    ] * 4


def test_differences_and_refits(case: Case) -> None:
    found, size = case.report["differences"], np.abs(case.p - case.before)
    assert (found["rows"], found["max"]) == (len(size), size.max())
    assert (found["mean"], found["p50"], found["p99"]) == (
        pytest.approx(size.mean()), pytest.approx(np.quantile(size, 0.5)), pytest.approx(np.quantile(size, 0.99))
    )  # fmt: skip
    now, was, truth = case.p >= 0.5, case.before >= 0.5, case.y == 1
    assert found["flips"] == np.mean(now != was)
    assert found["negative_flips"] == np.mean((was == truth) & (now != truth))
    assert found["positive_flips"] == np.mean((was != truth) & (now == truth))
    # A logistic regression has a seed that changes nothing: one refit shows it.
    assert found["noise_seeds"] == [0.0]
    assert found["fits"] == 1 + 1 + 3
    days = case.train["at"].dt.floor("D").factorize(sort=True)[0]
    means = []
    for number in range(3):
        times = np.random.default_rng([0, number]).multinomial(48, np.full(48, 1 / 48))
        rows = np.concatenate([np.flatnonzero(days == day) for day in range(48) for _ in range(times[day])])
        again = clone(case.estimator).fit(case.train.drop(columns="late").iloc[rows], case.train["late"].iloc[rows])
        means.append(np.abs(again.predict_proba(case.holdout)[:, 1] - case.p).mean())
    assert found["noise_days"] == pytest.approx(means, rel=1e-3)
    assert found["noise"] == pytest.approx(np.mean(found["noise_days"]))
    assert case.checks["differences from production"]["limit"] == pytest.approx(LIMITS.max_difference * found["noise"])
    worst = found["worst"]
    assert len(worst) == 20
    order = np.argsort(-size, kind="stable")[:20]
    assert [row["order"] for row in worst] == case.holdout["order"].to_numpy()[order].tolist()
    assert [row["candidate"] for row in worst] == pytest.approx(case.p[order])
    assert [row["production"] for row in worst] == pytest.approx(case.before[order])
    assert [row["actual"] for row in worst] == case.y[order].tolist()


def test_responses(case: Case) -> None:
    """Another shuffle gives about the same responses."""
    found = {row["input"]: row for row in case.report["responses"]}
    rng = np.random.default_rng(7)
    for name in ("items", "distance", "rain", "shop"):
        changed = case.holdout.assign(**{name: case.holdout[name].to_numpy()[rng.permutation(len(case.holdout))]})
        moved = np.abs(case.estimator.predict_proba(changed)[:, 1] - case.p).mean() / case.p.std()
        assert found[name]["candidate"] == pytest.approx(moved, rel=0.1)
        assert found[name]["production"] == pytest.approx(moved, rel=0.15)
    assert found["order"] == {"input": "order", "production": 0.0, "candidate": 0.0}


def test_the_record_of_the_training_rows(case: Case) -> None:
    record = case.report["training"]
    assert record["rows"] == len(case.train)
    assert (record["first_day"], record["last_day"]) == ("2024-03-01", "2024-04-17")
    assert record["used"] == {"inputs": ["shop", "items", "distance", "rain"], "features": []}
    rows, labels = (
        [np.array(line.split(), dtype=float) for line in record[key]] for key in ("cell_rows", "cell_labels")
    )
    by_day = case.train.groupby(case.train["at"].dt.date)["late"].agg(["size", "sum"])
    for day, (size, late) in enumerate(by_day.to_numpy()):
        kept = rows[day].sum()
        # Cells with few rows are left out.
        assert size - 8 * record["cells"] < kept <= size
        assert labels[day].sum() <= late
    assert sum(line.sum() for line in labels) / sum(line.sum() for line in rows) == pytest.approx(case.train["late"].mean(), abs=0.03)  # fmt: skip


def test_the_size_of_the_files(case: Case) -> None:
    names = ("model.skops", "tables.npz", "nodes.npz", "model.onnx")
    production_ = sum((case.package / name).stat().st_size for name in names if (case.package / name).is_file())
    assert case.value("size of the model's files") == pytest.approx(1.0, abs=0.02)
    assert production_ > 0
