"""Reports on real flights: ordinary weeks have no findings, real changes are listed, planted faults are found and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from past_weeks import alarms, finding_records, judge_columns
from sklearn.ensemble import HistGradientBoostingClassifier

from flights.fields import PLANE, WEATHER
from flights.signature import signature
from nbship.metrics import classification
from nbship.model import columns_of, to_local
from nbship.model.build.reference import Reference, describe

CHANGES = yaml.safe_load(Path(__file__).with_name("real_changes.yaml").read_text(encoding="utf-8"))
GIVEN = {"scheduled_departure": "origin"}
RELATIONS = ["dew_point <= temperature"]
ROWS = 2000
WEEK = timedelta(days=7)


class Flights:
    """The year's flights, the predictions of a model of January to May, and reports of windows."""

    def __init__(self, joined: pd.DataFrame) -> None:
        self.signature = signature(
            carriers=sorted(joined["carrier"].unique()), dests=sorted(joined["dest"].unique()), threshold=0.4
        )
        self.columns = dict(columns_of(joined[list(self.signature.names)]))
        self.days = to_local(self.columns["scheduled_departure"], "America/New_York").astype("datetime64[D]")
        trained = self.between("2013-01-01", "2013-06-01")
        self.model = HistGradientBoostingClassifier(max_iter=20, random_state=0)
        self.model.fit(self._features(self.columns)[trained][::5], joined["late"].to_numpy()[trained][::5])
        self.scores, self.late = self.predict(self.columns), joined["late"].to_numpy().astype(float)
        june = self.between("2013-06-01", "2013-07-01")
        self.held_out = classification(self.late[june], self.scores[june])
        self.reference = self.trained_without()

    def _features(self, columns: dict[str, Any]) -> np.ndarray:
        hour = to_local(columns["scheduled_departure"], "America/New_York")
        hour = (hour - hour.astype("datetime64[D]")).astype(float)
        return np.column_stack([hour, *(columns[name] for name in (*WEATHER, *PLANE))])

    def predict(self, columns: dict[str, Any]) -> np.ndarray:
        return self.model.predict_proba(self._features(columns))[:, 1]

    def between(self, first: str, last: str) -> np.ndarray:
        return (self.days >= np.datetime64(first)) & (self.days < np.datetime64(last))

    def trained_without(self, first: str = "2013-12-31", last: str = "2013-12-31") -> Reference:
        rows = self.between("2013-01-01", "2013-06-01") & ~self.between(first, last)
        columns = {name: values[rows] for name, values in self.columns.items()}
        return describe(columns, self.signature, outputs={"probability": self.scores[rows]}, given=GIVEN)

    def report(
        self, first: str, last: str, *, reference: Reference | None = None, columns: Any = None, **options: Any
    ) -> Any:
        rows = self.between(first, last)
        scores = self.scores[rows] if columns is None else self.predict(columns)
        columns = {name: values[rows] for name, values in self.columns.items()} if columns is None else columns
        return judge_columns(
            reference or self.reference, self.signature, columns, scores, first=first, last=last, relations=RELATIONS,
            has_effect=lambda name: name != "flight", **options,
        )  # fmt: skip

    def whole(self, first: str, last: str, *, reference: Reference | None = None) -> Any:
        """Return the report of a window with all its labels."""
        known = {
            "actual": self.late[self.between(first, last)],
            "held_out": self.held_out,
            "slices": ["carrier", "origin"],
        }
        return self.report(first, last, reference=reference, **known)

    def sample(self, first: str, last: str, rng: np.random.Generator, rows: int = ROWS) -> dict[str, Any]:
        chosen = np.sort(rng.choice(np.flatnonzero(self.between(first, last)), rows, replace=False))
        return {name: values[chosen] for name, values in self.columns.items()}


@pytest.fixture(scope="module")
def flights(joined: pd.DataFrame) -> Flights:
    return Flights(joined)


def _weeks(first: date, number: int) -> list[tuple[str, str]]:
    return [(str(first + k * WEEK), str(first + (k + 1) * WEEK)) for k in range(number)]


TRAINED = _weeks(date(2013, 1, 1), 21)
LATER = _weeks(date(2013, 7, 1), 26)
MONTHS = [(f"2013-{k:02}-01", str(date(2013 + k // 12, k % 12 + 1, 1))) for k in range(7, 13)]


def _alarms(flights: Flights, weeks: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the findings on weeks of the training data, each judged by the others."""
    reports = {week[0]: flights.report(*week, reference=flights.trained_without(*week)) for week in weeks}
    return {first: found for first, report in reports.items() if (found := finding_records(report))}


def _unexplained(flights: Flights, windows: list[tuple[str, str]]) -> tuple[list[Any], int]:
    """Return the findings that are not on the list, and the number of windows without findings."""
    found = [(window, finding_records(flights.report(*window))) for window in windows]
    unexplained = [
        (first, name, record["reason"])
        for (first, last), records in found
        for name, record in records.items()
        if not _is_real(name, first, last)
    ]
    return unexplained, sum(not records for _, records in found)


def _is_real(name: str, first: str, last: str) -> bool:
    return any(name in each["fields"] and each["from"] < last and first < each["to"] for each in CHANGES)


def test_a_week_of_the_training_data_raises_no_alarm(flights: Flights) -> None:
    assert _alarms(flights, [TRAINED[6]]) == {}


@pytest.mark.long
def test_at_most_one_of_the_weeks_of_the_training_data_raises_an_alarm(flights: Flights) -> None:
    assert len(_alarms(flights, TRAINED)) <= 1


@pytest.mark.long
def test_with_labels_at_most_one_of_the_weeks_of_the_training_data_raises_an_alarm(flights: Flights) -> None:
    found = {first: alarms(flights.whole(first, last, reference=flights.trained_without(first, last))) for first, last in TRAINED}  # fmt: skip
    assert sum(map(bool, found.values())) <= 1, found


@pytest.mark.long
def test_with_labels_every_finding_from_july_to_december_is_a_real_change(flights: Flights) -> None:
    unexplained = [
        (first, one["reason"])
        for first, last in [*LATER, *MONTHS]
        for one in flights.whole(first, last)["reasons"]
        if one["verdict"] in ("warning", "alert") and not _is_real(one["subject"], first, last)
    ]
    assert unexplained == []


def test_findings_of_some_later_windows_are_real_changes(flights: Flights) -> None:
    unexplained, without = _unexplained(flights, [LATER[0], LATER[10], LATER[25], MONTHS[0]])
    assert unexplained == []
    assert without >= 1


@pytest.mark.long
def test_every_finding_from_july_to_december_is_a_real_change(flights: Flights) -> None:
    unexplained, without = _unexplained(flights, [*LATER, *MONTHS])
    assert unexplained == []
    assert without >= 10


def test_a_change_of_the_schedule_is_found_in_the_month_that_has_it(flights: Flights) -> None:
    assert finding_records(flights.report("2013-09-01", "2013-10-01"))["dest"]["verdict"] == "warning"


def test_july_is_new_to_the_model_and_worth_few_rows(flights: Flights) -> None:
    report = flights.report("2013-07-01", "2013-08-01")
    assert report["unseen"]["months"] == ["July"]
    shares = {field["field"]: round(field["share"], 2) for field in report["unseen"]["fields"]}
    assert shares == {"dew_point": 0.42, "temperature": 0.07}
    worth = {record["field"]: record["effective_rows"] for record in report["drift"]}
    days = flights.days[flights.between("2013-07-01", "2013-08-01")]
    for name in ("temperature", "wind_speed"):
        values = pd.Series(flights.columns[name][flights.between("2013-07-01", "2013-08-01")])
        known = values.notna().to_numpy()
        by_day = (values - values.mean())[known].groupby(days[known]).sum()
        error = np.sqrt((by_day**2).sum() * 31 / 30) / known.sum()
        assert worth[name] == pytest.approx(values.var(ddof=0) / error**2, rel=1e-4)
    assert round(worth["temperature"]) == 45


def _shift(columns: dict[str, Any], rows: Any, hours: int) -> None:
    for name in ("scheduled_departure", "scheduled_arrival"):
        columns[name] = np.where(rows, columns[name] + np.timedelta64(hours, "h"), columns[name])


def miles_to_kilometers(columns: dict[str, Any], _: Any) -> None:
    columns["wind_speed"] = columns["wind_speed"] * 1.609344


def fahrenheit_to_celsius(columns: dict[str, Any], _: Any) -> None:
    columns["temperature"] = (columns["temperature"] - 32) / 1.8


def both_to_celsius(columns: dict[str, Any], rng: Any) -> None:
    fahrenheit_to_celsius(columns, rng)
    columns["dew_point"] = (columns["dew_point"] - 32) / 1.8


def column_gone_null(columns: dict[str, Any], _: Any) -> None:
    columns["temperature"] = np.full(ROWS, np.nan)


def rare_column_gone_null(columns: dict[str, Any], _: Any) -> None:
    columns["wind_gust"] = np.full(ROWS, np.nan)


def nulls_in_a_third(columns: dict[str, Any], rng: Any) -> None:
    columns["temperature"] = np.where(rng.random(ROWS) < 0.3, np.nan, columns["temperature"])


def new_carrier(columns: dict[str, Any], rng: Any) -> None:
    columns["carrier"] = np.where(rng.random(ROWS) < 0.02, "ZZ", columns["carrier"]).astype(object)


def clock_of_one_airport(columns: dict[str, Any], _: Any) -> None:
    _shift(columns, columns["origin"] == "JFK", 1)


def lost_zone(columns: dict[str, Any], _: Any) -> None:
    _shift(columns, np.ones(ROWS, dtype=bool), -5)


def frozen_weather(columns: dict[str, Any], _: Any) -> None:
    for name in WEATHER:
        for origin in ("EWR", "JFK", "LGA"):
            rows = columns["origin"] == origin
            known = columns[name][rows & ~np.isnan(columns[name])]
            columns[name] = np.where(rows, known[0] if len(known) else np.nan, columns[name])


def doubled_batch(columns: dict[str, Any], _: Any) -> None:
    for name, values in columns.items():
        columns[name] = np.concatenate([values, values])


def copies_of_a_third(columns: dict[str, Any], rng: Any) -> None:
    again = np.flatnonzero(rng.random(ROWS) < 0.3)
    for name, values in columns.items():
        columns[name] = np.concatenate([values, values[again]])


# Fault -> the finding that names it, and words of its reason.
FAULTS: dict[Callable[..., None], tuple[str, str]] = {
    miles_to_kilometers: ("wind_speed", "miles converted to kilometers"),
    fahrenheit_to_celsius: ("dew_point <= temperature", "break the relation"),
    both_to_celsius: ("temperature", ""),
    column_gone_null: ("temperature", "Missing in 100.0%"),
    rare_column_gone_null: ("wind_gust", "Missing in 100.0%"),
    nulls_in_a_third: ("temperature", "Missing in"),
    new_carrier: ("carrier", "'ZZ'"),
    clock_of_one_airport: ("scheduled_departure (origin JFK)", "a clock that is 1 hour ahead"),
    lost_zone: ("scheduled_departure", "a clock that is 5 hours behind"),
    frozen_weather: ("temperature", "stuck"),
    doubled_batch: ("copies", "50.0% of the rows are copies"),
    copies_of_a_third: ("copies", "of the rows are copies"),
}


def _finds(flights: Flights, fault: Callable[..., None], seed: int) -> bool:
    rng = np.random.default_rng(seed)
    first, last = LATER[int(rng.integers(len(LATER)))]
    columns = flights.sample(first, last, rng)
    fault(columns, rng)
    found = finding_records(flights.report(first, last, columns=columns, row_counts=False))
    name, words = FAULTS[fault]
    # Where both temperatures are in Celsius in winter, all are below the range of the training data.
    names = [name, "unseen"] if fault is both_to_celsius else [name]
    return any(each in found and words in found[each]["reason"] for each in names)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found_and_named(flights: Flights, fault: Callable[..., None]) -> None:
    assert _finds(flights, fault, 1)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found_in_nearly_all_seeds(flights: Flights, fault: Callable[..., None]) -> None:
    assert sum(_finds(flights, fault, seed) for seed in range(100, 160)) >= 57


def test_a_tenth_of_the_rows_is_found(flights: Flights) -> None:
    rng = np.random.default_rng(2)
    for first, last in (LATER[3], LATER[20]):
        columns = flights.sample(first, last, rng, rows=650)
        found = finding_records(flights.report(first, last, columns=columns))
        assert found["row count"]["reason"].startswith("Unusually few rows: 650 in 7 days")


@pytest.mark.long
def test_windows_of_two_thousand_ordinary_rows_are_quiet(flights: Flights) -> None:
    rng = np.random.default_rng(3)
    noisy = []
    for first, last in [LATER[int(k)] for k in rng.integers(0, 24, 60)]:
        report = flights.report(first, last, columns=flights.sample(first, last, rng), row_counts=False)
        noisy += [(first, name) for name in finding_records(report) if not _is_real(name, first, last)]
    assert len(noisy) <= 2
