from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nbship.data.lookups import Key, Lookup
from nbship.errors import DataError, SchemaError

HOURS = pd.date_range("2024-03-01", periods=500, freq="h", tz="UTC", unit="us")


@pytest.fixture
def weather() -> Lookup:
    table = pd.DataFrame({"place": ["n"] * 500 + ["s"] * 500, "hour": [*HOURS, *HOURS]})
    table["rain"] = np.where(np.arange(1000) % 7 == 0, np.nan, np.arange(1000) / 3)
    table["sky"] = pd.Series(np.where(np.arange(1000) % 5 == 0, None, "grey"), dtype=object)
    table["count"] = np.arange(1000)
    keys = ("place", Key("at", to="hour", floor="h"))
    return Lookup(
        "weather", keys=keys, columns=("rain", "sky", "count", "seen"), table=table.assign(seen=table["hour"])
    )


def rows(count: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    at = np.datetime64("2024-02-28T00:00", "us") + random.integers(0, 40 * 24 * 60, count).astype("timedelta64[m]")
    at[::11] = np.datetime64("NaT", "us")
    place = np.array(["n", "s", "elsewhere", None], dtype=object)[random.integers(0, 4, count)]
    return {"place": place, "at": at}


def test_one_row_and_many_rows_find_identical_values(weather: Lookup) -> None:
    columns = rows(2000)
    together = weather.attach(columns)
    for name in weather.columns:
        single = [weather.attach({key: values[[n]] for key, values in columns.items()})[name][0] for n in range(2000)]
        array = np.array(single, dtype=together[name].dtype)
        if array.dtype == object:
            assert array.tolist() == together[name].tolist()
        else:
            assert array.tobytes() == together[name].tobytes()
    assert np.isnan(together["rain"]).mean() > 0.3
    assert (~np.isnan(together["rain"])).sum() > 300


def test_join_and_attach_give_the_same_values(weather: Lookup) -> None:
    columns = rows(700)
    frame = pd.DataFrame({"place": columns["place"], "at": pd.DatetimeIndex(columns["at"]).tz_localize("UTC")})
    joined = weather.join(frame.set_index(np.arange(700) * 2))
    attached = weather.attach(columns)
    assert joined["rain"].to_numpy().tobytes() == attached["rain"].tobytes()
    assert joined["sky"].tolist() == attached["sky"].tolist()
    assert str(joined["seen"].dtype) == "datetime64[us, UTC]"
    assert joined.index.tolist() == list(range(0, 1400, 2))


def test_times_are_rounded_down_before_and_after_1970() -> None:
    table = pd.DataFrame({"day": pd.to_datetime(["1969-12-30", "1970-01-02"], utc=True).as_unit("us"), "x": [1.0, 2.0]})
    days = Lookup("days", keys=(Key("at", to="day", floor="D"),), columns=("x",), table=table)
    at = np.array(["1969-12-30T23:59:59.999999", "1970-01-02T00:00", "1969-12-31T00:00"], dtype="datetime64[us]")
    assert days.attach({"at": at})["x"].tolist()[:2] == [1.0, 2.0]
    assert np.isnan(days.attach({"at": at})["x"][2])


def test_only_what_was_left_out_is_looked_up() -> None:
    table = pd.DataFrame({"id": [1, 2], "x": [10.0, 20.0]})
    lookup = Lookup("things", keys=("id",), columns=("x",), table=table)
    ids = {"id": np.array([1, 2, 2]), "x": np.array([np.nan, 5.0, np.nan])}
    assert np.isnan(lookup.attach(ids)["x"][0])
    filled = lookup.attach(ids, absent={"x": np.array([False, False, True])})["x"]
    assert np.isnan(filled[0])
    assert filled[1:].tolist() == [5.0, 20.0]


def test_nullable_integers_are_found_as_numbers() -> None:
    lookup = Lookup("things", keys=("id",), columns=("x",), table=pd.DataFrame({"id": [1, 2], "x": [1, 2]}))
    for count in (3, 900):
        found = lookup.attach({"id": np.array([2.0, np.nan, 1.0] * (count // 3))})["x"]
        assert found[0] == 2.0
        assert np.isnan(found[1])


def test_a_source_replaces_the_table() -> None:
    class Live:
        def find(self, keys):
            return {"x": np.array([len(key) for key in keys["id"]], dtype=float)}

    lookup = Lookup("live", keys=("id",), columns=("x",), source=Live())
    assert lookup.attach({"id": np.array(["a", "bcd"], dtype=object)})["x"].tolist() == [1.0, 3.0]


def test_mistakes_are_named() -> None:
    table = pd.DataFrame({"id": [1, 1], "x": [1, 2]})
    with pytest.raises(SchemaError, match="1 row with a duplicate key"):
        Lookup("things", keys=("id",), columns=("x",), table=table)
    with pytest.raises(SchemaError, match="no column 'y'"):
        Lookup("things", keys=("id",), columns=("y",), table=table)
    with pytest.raises(DataError, match="has no table"):
        Lookup("things", keys=("id",), columns=("x",)).attach({"id": np.array([1])})
    with pytest.raises(DataError, match="unknown floor 'week'"):
        Key("at", floor="week")
    whole = Lookup("things", keys=("id",), columns=("x",), table=table.head(1))
    with pytest.raises(DataError, match="needs column 'id'"):
        whole.attach({"name": np.array([1])})
