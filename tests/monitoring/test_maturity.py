"""Labels that stop or come late are found within one window, and labels that take their usual time are not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbship.monitoring.performance import labels

ALPHA = 1e-3
START = pd.Timestamp("2024-03-04", tz="UTC")


def week(seed: int, *, number: int = 0, rows: int = 2000, scale: float = 1.5) -> pd.DataFrame:
    """Return a week of events whose outcomes become known after some days; one in fifty never does."""
    random = np.random.default_rng(seed)
    event = START + pd.to_timedelta(7 * number + 7 * np.sort(random.random(rows)), unit="D")
    # Days differ: on some, labels take longer.
    slow = np.exp(np.repeat(random.normal(scale=0.3, size=7), -(-rows // 7))[:rows])
    delay = pd.to_timedelta(random.exponential(scale, rows) * slow, unit="D")
    actual = np.where(random.random(rows) < 0.02, np.nan, 1.0)
    return pd.DataFrame({"event_time": event, "actual": actual, "actual_time": event + delay})


def told_by(frame: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return what the log holds at a time."""
    unknown = (frame["actual_time"] > as_of) | frame["actual"].isna()
    return frame.assign(actual=frame["actual"].mask(unknown), actual_time=frame["actual_time"].mask(unknown))


def section(frame: pd.DataFrame, as_of: pd.Timestamp, earlier: Any = ()) -> dict[str, Any]:
    found = labels(told_by(frame, as_of), as_of=as_of.to_pydatetime(), earlier=earlier, alpha=ALPHA)
    json.dumps(found, allow_nan=False)
    return found


EARLIER = [section(week(1_000 + number, number=number), START + pd.Timedelta(days=90)) for number in range(4)]
END = START + pd.Timedelta(days=35)


def test_the_first_report_has_nothing_to_compare_with() -> None:
    found = section(week(1), START + pd.Timedelta(days=90))
    assert (found["verdict"], found["complete"]) == ("insufficient", True)
    assert found["share"] == pytest.approx(0.98, abs=0.01)
    assert found["delays"][10] == pytest.approx(1.5 * np.log(2), rel=0.3)
    assert sum(cohort["rows"] for cohort in found["cohorts"]) == 2000
    assert len(found["cohorts"]) == 7


@pytest.mark.parametrize("days", [0, 1, 3, 60])
def test_labels_that_take_their_usual_time_are_no_finding(days: int) -> None:
    found = [section(week(seed, number=4), END + pd.Timedelta(days=days), EARLIER) for seed in range(20)]
    assert sum(one["verdict"] != "ok" for one in found) <= 1
    assert found[0]["expected_share"] == pytest.approx(found[0]["share"], abs=0.1)
    assert {one["complete"] for one in found} == {days == 60}


def test_labels_that_stopped_are_an_alert() -> None:
    stop = END - pd.Timedelta(days=5)
    for seed in range(20):
        frame = week(seed, number=4)
        frame.loc[frame["event_time"] > stop, "actual"] = np.nan
        found = section(frame, END + pd.Timedelta(days=3), EARLIER)
        assert found["verdict"] == "alert"
        assert f"no event after {stop - pd.Timedelta(days=1):%Y-%m-%d} has one (5 days)" in found["reason"]


def test_without_any_label_they_have_stopped() -> None:
    found = section(week(0, number=4).assign(actual=np.nan), END, EARLIER)
    assert found["verdict"] == "alert"
    assert found["reason"].startswith("0% of the rows have a label, and ")
    assert "labels have stopped" in found["reason"]


def test_labels_three_weeks_late_are_found_before_and_after_they_came() -> None:
    for seed in range(20):
        frame = week(seed, number=4)
        late = frame.assign(actual_time=frame["actual_time"] + pd.Timedelta(days=21))
        assert section(late, END + pd.Timedelta(days=1), EARLIER)["verdict"] == "alert"
        found = section(late, END + pd.Timedelta(days=60), EARLIER)
        assert found["verdict"] == "warning"
        assert found["reason"].startswith("Half of the labels came 2")


def test_labels_without_times_have_no_delays() -> None:
    found = labels(
        week(0).assign(actual_time=pd.Series(pd.NaT, index=range(2000), dtype="datetime64[us, UTC]")),
        as_of=END.to_pydatetime(),
        earlier=(),
        alpha=ALPHA,
    )
    assert (found["delays"], found["complete"], found["verdict"]) == (None, False, "insufficient")


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows(rows: int) -> None:
    assert section(week(0, rows=1).head(rows), END, EARLIER)["verdict"] == "insufficient"


def test_weekly_reports_in_which_nearly_all_labels_are_known_are_enough_to_find_that_labels_stop() -> None:
    earlier: list[dict[str, Any]] = []
    for number in range(4):
        frame = week(3_000 + number, number=number, scale=0.02).assign(actual=1.0)
        earlier.append(section(frame, START + pd.Timedelta(days=7 * number + 7), earlier))
    assert [(one["complete"], one["verdict"]) for one in earlier] == [(True, "insufficient"), *[(True, "ok")] * 3]
    frame = week(9, number=4, scale=0.02)
    stopped = frame.assign(actual=frame["actual"].mask(frame["event_time"] > START + pd.Timedelta(days=31)))
    found = section(stopped, END, earlier)
    assert found["verdict"] in ("warning", "alert")
    assert "no event after 2024-04-03 has one" in found["reason"]
