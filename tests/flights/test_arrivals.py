"""Production played back: what the model is asked, and what became of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from flights.arrivals import labels, main
from flights.fields import INPUTS, KEY
from flights.labels import AFTER_DEPARTURE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrivals")
    window = ["--from", "2013-07-01", "--to", "2013-07-02"]
    for ending in ("csv", "parquet"):
        files = ["--inputs", str(folder / f"inputs.{ending}"), "--labels", str(folder / f"labels.{ending}")]
        assert main([*window, *files]) == 0
    return folder


def test_inputs_are_the_flights_own_fields_without_the_outcome(folder: Path) -> None:
    inputs = pd.read_csv(folder / "inputs.csv")
    assert tuple(inputs) == INPUTS
    assert not set(inputs) & set(AFTER_DEPARTURE)
    assert inputs["scheduled_departure"].str.fullmatch(r"2013-07-01T\d\d:\d\d:00-04:00").all()
    assert not inputs.duplicated(list(KEY)).any()


def test_labels_have_the_key_of_their_flight_and_come_after_it(folder: Path) -> None:
    inputs, found = pd.read_csv(folder / "inputs.csv"), pd.read_csv(folder / "labels.csv")
    assert tuple(found) == (*KEY, "label", "time")
    both = inputs.merge(found, on=list(KEY), validate="one_to_one")
    assert len(both) == len(inputs)
    known = pd.to_datetime(both["time"], utc=True)
    assert (known > pd.to_datetime(both["scheduled_departure"], utc=True)).all()


def test_csv_and_parquet_hold_the_same_rows(folder: Path) -> None:
    for name in ("inputs", "labels"):
        text, binary = pd.read_csv(folder / f"{name}.csv"), pd.read_parquet(folder / f"{name}.parquet")
        for column in text:
            if str(binary[column].dtype).startswith("datetime"):
                assert (pd.to_datetime(text[column], utc=True) == binary[column].dt.tz_convert("UTC")).all()
            else:
                assert text[column].fillna("").tolist() == binary[column].fillna("").tolist()


def test_the_label_of_a_flight_that_never_arrives_is_known_a_day_later(year: pd.DataFrame) -> None:
    never = year[year["arr_delay"].isna()].head(5)
    waited = labels(never)["time"] - never["scheduled_arrival"]
    assert (waited == pd.Timedelta(days=1)).all()


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (("2014-07-01", "2014-08-01"), "There are no flights from '2014-07-01'"),
        (("July", "2013-08-01"), "'July' is not a date"),
    ],
)
def test_an_invalid_window_is_an_error_of_one_sentence(
    window: tuple[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--from", window[0], "--to", window[1], "--inputs", str(tmp_path / "x.csv")]) == 1
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "x.csv").exists()
