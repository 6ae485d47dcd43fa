from __future__ import annotations

import doctest
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from nbship.errors import MonitoringError
from nbship.metrics import classification
from nbship.model.build import Periods
from nbship.monitoring import plots, tables
from nbship.monitoring import table as table_module
from nbship.monitoring.coding import Coded
from nbship.monitoring.conclusion import conclude
from nbship.monitoring.drift.collected import Collected
from nbship.monitoring.drift.compared import Compared, Counted
from nbship.monitoring.drift.past import Past
from nbship.monitoring.drift.pieces import Plan
from nbship.monitoring.drift.row_checks import unseen
from nbship.monitoring.report import Observed, build_report
from nbship.monitoring.report_file import read_report, write_report
from nbship.monitoring.service import service
from nbship.monitoring.window import parse_window
from nbship.prediction_log import LoggedTimings

WINDOW = parse_window("2024-07-01", "2024-08-01", zone=ZoneInfo("Europe/Zurich"))
EDGES = np.linspace(-2, 2, 9)


def _count(values: np.ndarray) -> Counted:
    counts = np.bincount(np.searchsorted(EDGES, values), minlength=len(EDGES) + 1)
    return Counted(tuple(f"bin {k}" for k in range(len(EDGES) + 1)), counts)


def _frame(seed: int, n: int, *, labelled: float = 1.0, first_day: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, n)
    predicted = 1 / (1 + np.exp(1.5 - x))
    actual = (rng.random(n) < predicted).astype(float)
    actual[rng.random(n) >= labelled] = np.nan
    start = WINDOW.start.astimezone(UTC) + timedelta(days=first_day)
    seconds = np.sort(rng.uniform(0, (31 - first_day) * 86_400 - 1, n))
    return pd.DataFrame(
        {
            "x": x,
            "event_time": pd.to_datetime([start + timedelta(seconds=s) for s in seconds], utc=True),
            "predicted": predicted,
            "actual": actual,
            "actual_time": pd.Series(
                [
                    pd.NaT if np.isnan(one) else start + timedelta(seconds=s + 3600)
                    for one, s in zip(actual, seconds, strict=True)
                ],
                dtype="datetime64[us, UTC]",
            ),
            "mode": "batch",
            "version": "abc",
            "shop": rng.choice(["a", "b"], n),
        }
    )


TRAINED = _frame(0, 20_000)


# A plan of twenty past periods, and of a window that is one piece.
UNITS = 20
PLAN = Plan(
    1, pieces=((0, 1),), units=tuple((k, k + 1) for k in range(UNITS)), names=("2024-07-01",),
    others=~np.eye(UNITS, dtype=bool), alike=np.ones((1, UNITS), dtype=bool), length=7,
)  # fmt: skip
PERIODS = Periods(7, "2024-01-01", "UTC", np.full(UNITS, 1000), np.zeros(UNITS, dtype=int))


def _compared(name: str, before: np.ndarray, now: np.ndarray) -> Compared:
    units = np.array([[*_count(part).counts, 0] for part in np.array_split(before, UNITS)])
    pieces = np.array([[*_count(now).counts, 0]])
    past = Past(pieces, units, np.zeros(1, dtype=int), np.zeros(UNITS, dtype=int), 0.0, PLAN)
    return Compared(name, _count(before), _count(now), past=past)


def _observed(frame: pd.DataFrame, *, shift: float = 0.0, **changes: Any) -> Observed:
    x = frame["x"].to_numpy() + shift
    known: dict[str, Any] = {
        "model": "shops",
        "version": "abc",
        "kind": "probability",
        "frame": frame,
        "fields": [_compared("x", TRAINED["x"].to_numpy(), x)],
        "prediction": _compared("probability", TRAINED["predicted"].to_numpy(), frame["predicted"].to_numpy()),
        "held_out": classification(TRAINED["actual"], TRAINED["predicted"]),
        "slices": ["shop"],
        "collected": Collected(PLAN, PERIODS, np.array([len(frame)]), np.zeros(1, dtype=int)),
    }
    return Observed(**{**known, **changes})


def _report(frame: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    return build_report(_observed(frame, **changes), WINDOW, row_counts=False)


def _draw_everything(report: Mapping[str, Any]) -> None:
    for draw in (
        plots.input_drift,
        plots.predictions,
        plots.distributions,
        plots.by_day,
        plots.by_slice,
        plots.over_windows,
    ):
        figure = draw(report)
        if figure is not None:
            figure.canvas.draw()
    for tabulate in (
        tables.data_table,
        tables.drift_table,
        tables.labels_table,
        tables.performance_table,
        tables.reasons_table,
        tables.slice_table,
        tables.trend_table,
    ):
        assert "<table" in tabulate(report)._repr_html_()
        assert len(str(tabulate(report)))
    assert report["headline"][:10] in tables.summary(report)
    assert tables.promises(report)


def test_an_unchanged_window_is_ok() -> None:
    report = _report(_frame(1, 4000))
    assert report["verdict"] == "notice"  # the training data are of January to May
    assert report["headline"].startswith("Nothing is broken, but part of the data is new to the model. ")
    assert "The training data have no July." in report["headline"]
    report = build_report(_observed(_frame(1, 4000), collected=Collected(PLAN, replace(PERIODS, first="2024-06-01"), np.array([4000]), np.zeros(1, dtype=int))), WINDOW, row_counts=False)  # fmt: skip
    assert report["verdict"] == "ok"
    assert report["headline"].startswith("The model works as it did when it was accepted. No change: ")
    assert report["advice"] == "No action needed."
    assert report["reasons"] == []
    assert report["volume"]["rows"] == 4000
    assert sum(day["rows"] for day in report["volume"]["days"]) == 4000
    assert [row["rows"] for row in report["trend"]] == [4000]
    _draw_everything(report)


def test_at_most_one_report_in_a_hundred_raises_a_false_alarm() -> None:
    verdicts = [_report(_frame(seed, 1000))["verdict"] for seed in range(1, 101)]
    assert sum(verdict in ("warning", "alert") for verdict in verdicts) <= 1


def test_drifted_inputs_with_good_performance_need_no_retraining() -> None:
    report = _report(_frame(1, 4000), shift=1.0)
    assert report["verdict"] == "warning"  # an alert needs broken data, or a consequence for performance
    assert report["headline"].startswith(
        "The data changed more than they usually do, and the predictions are as good as before. 1 of 1 input drifted (x)"
    )
    assert "no need to retrain" in report["advice"]
    _draw_everything(report)


def test_drifted_inputs_without_labels_ask_for_labels() -> None:
    report = _report(_frame(1, 4000, labelled=0.0), shift=1.0)
    assert "is not known yet: None of 4000 rows has a label yet." in report["advice"]
    assert "nbship labels" in report["advice"]
    _draw_everything(report)


def test_a_model_that_decays_should_be_retrained() -> None:
    frame = _frame(1, 4000)
    frame["actual"] = np.random.default_rng(9).permutation(frame["actual"])
    report = _report(frame)
    assert report["verdict"] == "alert"
    assert report["headline"].startswith(
        "The predictions are worse than when the model was accepted. The AUC fell from"
    )
    assert report["advice"].startswith("Retrain")


def test_no_change_without_labels_is_insufficient_and_not_ok() -> None:
    report = _report(_frame(1, 4000, labelled=0.0))
    assert report["verdict"] == "insufficient"
    assert report["headline"].startswith(
        "No change found, but performance cannot be judged: None of 4000 rows has a label yet."
    )


@pytest.mark.parametrize("rows", [1, 50, 199])
def test_few_rows_are_insufficient_in_every_section(rows: int) -> None:
    report = _report(_frame(1, rows), shift=30.0)
    assert report["verdict"] == "insufficient"
    assert report["headline"].startswith(f"Too little data to judge: {rows} row{'s' * (rows > 1)};")
    for name in ("volume", "prediction_drift", "performance"):
        assert report[name]["verdict"] == "insufficient"
    assert {record["verdict"] for record in report["drift"]} == {"insufficient"}
    _draw_everything(report)


def test_missing_days_are_a_finding() -> None:
    report = _report(_frame(1, 4000, first_day=3))
    assert report["volume"]["missing_days"] == ["2024-07-01", "2024-07-02", "2024-07-03"]
    assert report["volume"]["verdict"] == "warning"
    assert "3 days have no predictions" in report["headline"]


def test_a_field_that_the_window_lacks_is_an_alert() -> None:
    frame = _frame(1, 4000)
    fields = [Compared("y", _count(TRAINED["x"].to_numpy()), None)]
    report = _report(frame, fields=fields)
    assert report["verdict"] == "alert"
    assert report["headline"].startswith(
        "Do not rely on these predictions until the data are checked: they look broken."
    )
    assert report["advice"].startswith("First check the source of y,")
    _draw_everything(report)


def test_values_are_measured_by_their_error() -> None:
    rng = np.random.default_rng(3)
    frame = _frame(1, 3000)
    frame["actual"] = frame["predicted"] + rng.normal(0, 1, 3000)
    report = _report(frame, kind="value", held_out={"mae": 0.5})
    assert "The mean absolute error rose from 0.500" in report["headline"]
    _draw_everything(report)


def test_the_service_is_measured_by_its_own_records() -> None:
    timings = LoggedTimings([1_704_067_200_000_000] * 100, [*map(float, range(90)), *[None] * 10], [1] * 100)
    report = _report(_frame(1, 3000), service=service([timings]))
    assert report["service"]["share_errors"] == 0.1
    assert report["service"]["latency_ms"]["p50"] == pytest.approx(44.5)
    assert report["service"]["verdict"] == "alert"
    assert "10.0% of the requests failed" in report["headline"]


def test_a_report_is_written_as_canonical_json_and_read_back(tmp_path: Path) -> None:
    report = _report(_frame(1, 3000))
    path = write_report(report, tmp_path / "report.json")
    text = path.read_text()
    assert read_report(path) == json.loads(text) == report
    assert write_report(_report(_frame(1, 3000)), tmp_path / "again.json").read_text() == text


def test_the_trend_holds_earlier_windows_of_the_same_model(tmp_path: Path) -> None:
    for month, model in ((5, "shops"), (6, "shops"), (6, "others"), (9, "shops")):
        report = _report(_frame(month, 3000)) | {"model": model}
        report["window"] = {"from": f"2024-{month:02}-01", "to": f"2024-{month + 1:02}-01", "timezone": "UTC"}
        write_report(report, tmp_path / f"2024-{month:02}-01_{model}" / "report.json")
    broken = ["{", '{"format": 1}', '{"format": 1, "model": "shops", "window": "April"}']
    for number, text in enumerate(broken):
        (tmp_path / f"2024-04-0{number + 1}_broken").mkdir()
        (tmp_path / f"2024-04-0{number + 1}_broken" / "report.json").write_text(text)
    report = build_report(_observed(_frame(1, 3000)), WINDOW, row_counts=False, folders=[tmp_path])
    assert [row["from"] for row in report["trend"]] == ["2024-05-01", "2024-06-01", "2024-07-01"]
    _draw_everything(report)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "cannot be read"), ("{}", "cannot be read"), ('{"format": 99}', "format 99")]
)
def test_a_report_that_cannot_be_read_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(MonitoringError, match=message):
        read_report(path)


def test_values_of_the_data_are_escaped_in_the_summary() -> None:
    frame = _frame(1, 6000)
    frame.loc[frame["shop"] == "b", "shop"] = "<script>alert(1)</script>"
    frame.loc[frame["shop"] != "a", "predicted"] *= 0.4
    summary = tables.summary(_report(frame))
    assert "script" in summary
    assert "<script" not in summary


def test_values_of_the_data_are_escaped_in_a_table() -> None:
    table = table_module.Table([{"Slice": "<img src=x onerror=alert(1)>", "Verdict": "alert"}])
    assert "&lt;img" in table._repr_html_()
    assert "<img" not in table._repr_html_()
    assert doctest.testmod(table_module).failed == 0


def test_a_report_of_the_first_format_is_read_drawn_and_tabulated() -> None:
    report = read_report(Path(__file__).with_name("report_format_1.json"))
    assert report["verdict"] == "alert"
    _draw_everything(report)


def test_a_new_segment_with_worse_predictions_is_in_the_headline() -> None:
    frame = _frame(1, 6000)
    is_new = np.random.default_rng(3).random(len(frame)) < 0.03
    frame.loc[is_new, "actual"] = (frame.loc[is_new, "predicted"] < 0.5).astype(float)
    shop = Coded(np.where(is_new, 3, frame["shop"] == "b"), ["a", "b", "missing", "Zürich"], known=2)
    report = _report(frame, inputs={"shop": shop})
    (segment,) = report["segments"]
    assert (report["verdict"], segment["verdict"]) == ("warning", "warning")
    words = f"{is_new.sum()} rows ({is_new.mean():.1%}) have shop 'Zürich', which training never had; first seen on 2024-07-01. The error there is"
    assert words in report["headline"]
    assert "Collect labels of the new segments, and retrain with them." in report["advice"]
    _draw_everything(report)


def test_a_new_segment_without_labels_is_a_notice() -> None:
    frame = _frame(1, 6000, labelled=0.0)
    shop = Coded(np.where(np.arange(6000) % 30 == 0, 3, frame["shop"] == "b"), ["a", "b", "missing", "Zürich"], known=2)
    report = _report(frame, inputs={"shop": shop})
    assert [one["verdict"] for one in report["reasons"] if one["section"] == "segments"] == ["notice"]
    assert "200 rows (3.3%) have shop 'Zürich', which training never had" in report["headline"]


HISTORY = {"check": "decline of auc", "verdict": "warning", "reason": "The AUC falls slowly."}
LABELS = {"check": "labels by prediction", "verdict": "warning", "reason": "Few labels of low predictions."}


@pytest.mark.parametrize(
    ("section", "check", "first", "advice"),
    [
        ("history", HISTORY, "The predictions are worse than in earlier windows. The AUC falls slowly.", "Retrain with the rows of the last windows"),
        ("feedback", LABELS, "Predictions seem to decide which outcomes are known, or what happens", "Collect the outcomes of some rows"),
    ],
)  # fmt: skip
def test_findings_beside_earlier_windows_are_in_the_headline(section: str, check: Any, first: str, advice: str) -> None:
    report = _report(_frame(1, 4000))
    found = conclude(report | {section: {**check, "checks": [check]}})
    assert found["verdict"] == "warning"
    assert found["headline"].startswith(first)
    assert check["reason"].rstrip(".") in found["headline"]
    assert advice in found["advice"]
    noticed = check | {"verdict": "notice"}
    found = conclude(report | {"unseen": {"verdict": "ok", "reason": ""}, section: {**noticed, "checks": [noticed]}})
    assert found["verdict"] == "notice"
    assert found["headline"] == f"Nothing is broken, but this window differs from earlier ones. {check['reason']}"


WEEKS = Plan(
    31, pieces=((0, 7), (7, 14), (14, 21), (21, 28), (24, 31)), units=PLAN.units,
    names=("2024-07-01", "2024-07-08", "2024-07-15", "2024-07-22", "2024-07-25"),
    others=PLAN.others, alike=np.ones((5, UNITS), dtype=bool), length=7,
)  # fmt: skip


@pytest.mark.parametrize(
    ("over", "missing", "verdict"), [(None, 15, "warning"), (31, 15, "warning"), (20, 4, "warning"), (16, 0, "ok")]
)
def test_days_that_are_to_come_are_not_missing(over: int | None, missing: int, verdict: str) -> None:
    frame = _frame(1, 4500)
    frame = frame[frame["event_time"] < WINDOW.start + timedelta(days=16)].reset_index(drop=True)
    by_day = np.bincount((frame["event_time"] - WINDOW.start).dt.days, minlength=31)
    collected = Collected(WEEKS, PERIODS, by_day, np.zeros(31, dtype=int))
    report = build_report(_observed(frame, collected=collected, over=over), WINDOW)
    assert (len(report["volume"]["missing_days"]), report["volume"]["verdict"]) == (missing, verdict)
    rows = next(each for each in report["data"] if each["check"] == "row count")
    assert rows["verdict"] == ("warning" if over in (None, 31) else "ok")
    assert report["volume"]["per_day"] > 100 or over in (None, 31)


def test_a_window_whose_first_week_is_not_over_has_no_verdict_on_its_rows() -> None:
    frame = _frame(1, 4500)
    collected = Collected(WEEKS, PERIODS, np.full(31, 1), np.zeros(31, dtype=int))
    report = build_report(_observed(frame, collected=collected, over=6), WINDOW, min_rows=20)
    rows = next(each for each in report["data"] if each["check"] == "row count")
    assert (rows["verdict"], rows["reason"]) == ("insufficient", "The 7 days to compare with training are not over.")


@pytest.mark.parametrize(("rows", "months"), [([60] * 30, ["July"]), ([60] * 31, ["July", "August"])])
def test_a_month_is_new_if_it_has_rows(rows: list[int], months: list[str]) -> None:
    window = parse_window("2024-07-02", "2024-09-01", zone=ZoneInfo("Europe/Zurich"))
    by_day = np.zeros(61, dtype=int)
    by_day[: len(rows)] = rows
    found = Collected(replace(WEEKS, number=61), PERIODS, by_day, np.zeros(61, dtype=int))
    assert unseen(found, window)["months"] == months


def test_requests_without_events_ask_for_no_labels() -> None:
    at = [int(WINDOW.start.timestamp() * 1e6) + second * 1_000_000 for second in range(100)]
    requests = service([LoggedTimings(at, [1.0] * 90 + [None] * 10, [1] * 100)])
    frame = _frame(1, 100).iloc[:0]
    nothing = Collected(PLAN, PERIODS, np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    report = _report(frame, fields=[], prediction=None, collected=nothing, service=requests)
    assert report["performance"]["reason"] == "No predictions for events in this window."
    assert "labels" not in report["advice"]
    assert report["unseen"]["months"] == []
