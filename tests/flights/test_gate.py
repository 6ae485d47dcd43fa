"""Each limit of the gate can reject a model, and is named as the reason."""

from __future__ import annotations

from typing import Any

import pytest

from flights.gate import Limits, judge, verdict

LIMITS = Limits(
    min_auc=0.68,
    min_gain=0.02,
    max_calibration_error=0.08,
    min_slice_rows=1000,
    min_slice_auc=0.58,
    max_slice_bias=0.15,
)
MODEL = {"auc": 0.72, "brier": 0.17, "calibration_error": 0.03}
BASE = {"auc": 0.65, "brier": 0.18, "calibration_error": 0.05}
SLICE = {"slice": "carrier", "value": "UA", "n": 2000, "auc": 0.7, "mean_probability": 0.3, "base_rate": 0.28}


def judged(*, model: dict[str, Any] | None = None, row: dict[str, Any] | None = None) -> dict[str, Any]:
    return verdict(judge({**MODEL, **(model or {})}, BASE, [{**SLICE, **(row or {})}], limits=LIMITS))


def test_a_good_model_passes() -> None:
    assert judged()["passed"] is True
    assert judged()["reasons"] == ["all 6 checks passed"]


@pytest.mark.parametrize(
    ("model", "row", "reason"),
    [
        ({"auc": 0.679}, {}, "AUC is 0.6790, limit 0.6800"),
        ({"auc": 0.681, "brier": 0.1}, {}, None),
        ({"brier": 0.181}, {}, "Brier score, against that of the base rate is 0.1810"),
        ({"calibration_error": 0.081}, {}, "calibration error is 0.0810"),
        ({}, {"auc": 0.57}, "AUC of carrier UA is 0.5700"),
        ({}, {"mean_probability": 0.5}, "bias of carrier UA is 0.2200"),
    ],
)
def test_each_limit_alone_fails_the_gate(model: dict[str, Any], row: dict[str, Any], reason: str | None) -> None:
    found = judged(model=model, row=row)
    assert found["passed"] is (reason is None)
    assert reason is None or (len(found["reasons"]) == 1 and found["reasons"][0].startswith(reason))


def test_a_model_below_the_base_rate_fails_the_gate() -> None:
    found = verdict(judge({**MODEL, "auc": 0.69}, {**BASE, "auc": 0.68}, [], limits=LIMITS))
    assert found["reasons"] == ["AUC above the carrier × hour base rate is 0.0100, limit 0.0200"]


def test_small_slices_and_slices_of_one_class_are_not_checked() -> None:
    assert judged(row={"n": 999, "auc": 0.1})["passed"]
    assert judged(row={"auc": None})["passed"]
