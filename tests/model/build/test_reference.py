from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from orders import make_orders

from nbship.errors import CorruptPackageError, SignatureError
from nbship.model import Field, Signature, columns_of
from nbship.model.build.reference import count, describe, dump_reference, load_reference

SIGNATURE = Signature(
    (
        Field("n", "float", nullable=True),
        Field("k", "category", open=True, nullable=True),
        Field("t", "string"),
        Field("b", "bool"),
    )
)


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    numbers = random.normal(size=5000)
    numbers[::10] = np.nan
    kinds = random.choice(np.array(["x", "y", None], dtype=object), 5000)
    return {"n": numbers, "k": kinds, "t": np.array(["secret"] * 5000, dtype=object), "b": numbers > 0}


def test_counts_are_stored_and_rows_are_not(columns: dict[str, np.ndarray]) -> None:
    labels = columns["n"] > 1
    reference = describe(columns, SIGNATURE, outputs={"label": labels, "probability": np.linspace(0, 1, 5000)})
    assert reference.periods is None
    described = reference.fields
    assert described["n"].missing == 500
    assert all(each.rows == 5000 for each in described.values())
    assert 100 <= len(described["n"].counts) <= 102
    assert described["n"].counts[1:-1].std() < 2
    assert described["k"].categories == ("x", "y")
    assert described["b"].categories == ("false", "true")
    assert described["label"].counts.sum() == 5000
    assert b"secret" not in dump_reference(reference)
    again = load_reference(dump_reference(reference)).fields
    assert again.keys() == described.keys()
    for name, each in described.items():
        assert (again[name].kind, again[name].role, again[name].missing) == (each.kind, each.role, each.missing)
        assert again[name].counts.tolist() == each.counts.tolist()
        np.testing.assert_array_equal(again[name].edges, each.edges)
    assert dump_reference(load_reference(dump_reference(reference))) == dump_reference(reference)


def test_new_values_are_counted_in_the_same_bins(columns: dict[str, np.ndarray]) -> None:
    described = describe(columns, SIGNATURE, outputs={}).fields
    for name in ("n", "k", "t"):
        found = count(columns[name], described[name])
        assert found.table.tolist() == [[*described[name].counts.tolist(), described[name].missing]]
        assert found.new == {}
    far = count(np.array([-1e9, 1e9, np.nan]), described["n"]).table[0]
    assert (far[0], far[-2], far.sum(), far[-1]) == (1, 1, 3, 1)
    by_block = count(np.array(["x", "z", None, "z"], dtype=object), described["k"], blocks=np.array([0, 1, 1, -1]), number=2)  # fmt: skip
    assert by_block.table.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert {name: rows.tolist() for name, rows in by_block.new.items()} == {"z": [0, 1]}


@pytest.mark.parametrize("values", [[], [np.nan] * 5, [3.0] * 600, [1.0, np.nan]])
def test_columns_of_unusual_values_have_a_distribution(values: list[float]) -> None:
    signature = Signature((Field("n", "float", nullable=True),))
    each = load_reference(dump_reference(describe({"n": np.array(values)}, signature, outputs={}))).fields["n"]
    assert each.rows == len(values)


def test_the_reference_covers_inputs_lookups_and_outputs(shop_package: Callable[[str], Path]) -> None:
    described = load_reference((shop_package("binary") / "reference.parquet").read_bytes()).fields
    assert described.keys() == {
        "ordered",
        "shop",
        "customer",
        "price",
        "pieces",
        "gift",
        "rain",
        "label",
        "probability",
    }
    orders = columns_of(make_orders())
    assert described["rain"].missing == np.isnan(orders["rain"]).sum()
    assert described["customer"].kind == "text"


def test_a_damaged_reference_is_an_error() -> None:
    with pytest.raises(CorruptPackageError, match=r"'reference.parquet' cannot be read"):
        load_reference(b"PAR1")


TIMED = Signature(
    (
        Field("at", "datetime", timezone="Europe/Zurich"),
        Field("until", "datetime", nullable=True, timezone="Europe/Zurich"),
        Field("n", "float", nullable=True),
        Field("k", "category", open=True, nullable=True),
        Field("who", "string", pii=True),
    ),
    event_time="at",
)


def _timed(days: int, a_day: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    random, rows = np.random.default_rng(seed), days * a_day
    # From midnight in Zurich, an hour ahead of UTC in winter.
    at = np.datetime64("2023-12-31T23:00", "us") + (np.arange(rows) * (86_400_000_000 // a_day)).astype(
        "timedelta64[us]"
    )
    until = at + random.integers(1, 600, rows).astype("timedelta64[m]")
    until[::50] = np.datetime64("NaT")
    numbers = random.normal(size=rows).round(1)
    numbers[::7] = np.nan
    kinds = random.choice(np.array(["x", "y", None], dtype=object), rows)
    return {"at": at, "until": until, "n": numbers, "k": kinds, "who": np.array([f"person {k}" for k in range(rows)], dtype=object)}  # fmt: skip


@pytest.mark.parametrize(("days", "a_day", "length", "number"), [(60, 40, 1, 60), (60, 8, 7, 8), (90, 1, 28, 3)])
def test_periods_have_the_counts_of_pandas(days: int, a_day: int, length: int, number: int) -> None:
    columns = _timed(days, a_day)
    reference = describe(columns, TIMED, outputs={"probability": np.linspace(0, 1, days * a_day)}, given={"n": "k"})
    again = load_reference(dump_reference(reference))
    assert dump_reference(again) == dump_reference(reference)
    periods, frame = again.periods, pd.DataFrame(columns)
    assert periods is not None
    assert (periods.days, len(periods.rows), periods.first, periods.zone) == (length, number, "2024-01-01", "Europe/Zurich")  # fmt: skip
    local = frame["at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Zurich")
    frame["period"] = (local.dt.tz_localize(None).dt.normalize() - pd.Timestamp("2024-01-01")).dt.days // length
    frame = frame[frame["period"] < number]
    assert periods.rows.tolist() == frame.groupby("period").size().tolist()
    fields = again.fields
    assert fields["k"].periods[:, -1].tolist() == frame["k"].isna().groupby(frame["period"]).sum().tolist()
    assert fields["k"].periods[:, 0].tolist() == (frame["k"] == "x").groupby(frame["period"]).sum().tolist()
    hours = local[frame.index].dt.hour
    for hour in (0, 12, 23):
        assert fields["at"].periods[:, hour].tolist() == (hours == hour).groupby(frame["period"]).sum().tolist()
    assert fields["until"].periods.sum(axis=1).tolist() == periods.rows.tolist()
    given = fields["n (k x)"]
    assert given.given == ("n", "k", "x")
    assert given.periods.sum(axis=1).tolist() == (frame["k"] == "x").groupby(frame["period"]).sum().tolist()
    assert fields["who"].kind == "text"


def test_periods_of_few_rows_are_left_out() -> None:
    columns = _timed(30, 40)
    first = np.flatnonzero(columns["at"] < np.datetime64("2024-01-01T23:00"))[5:]
    rare = {name: np.delete(values, first) for name, values in columns.items()}
    reference = describe(rare, TIMED, outputs={})
    assert reference.periods is not None
    assert reference.periods.rows[:2].tolist() == [0, 40]
    assert all(each.periods[0].sum() == 0 for each in reference.fields.values())
    assert describe({name: values[:15] for name, values in columns.items()}, TIMED, outputs={}).periods is None


def test_a_mistyped_date_does_not_stretch_the_periods() -> None:
    columns = _timed(60, 40)
    columns["at"][0] = np.datetime64("1900-01-01", "us")
    reference = describe(columns, TIMED, outputs={})
    assert reference.periods is not None
    assert (reference.periods.days, len(reference.periods.rows)) == (1, 60)


def test_copies_are_counted_by_period() -> None:
    columns = _timed(30, 40)
    twice = {name: np.concatenate([values, values[:80]]) for name, values in columns.items()}
    twice["who"][-80:] = "somebody else"  # personal values do not count
    reference = describe(twice, TIMED, outputs={})
    assert reference.periods is not None
    assert reference.periods.duplicates[:3].tolist() == [40, 40, 0]


@pytest.mark.parametrize(("given", "message"), [({"n": "z"}, "'z', which is not a field"), ({"k": "n"}, "'n', which is not a category"), ({"who": "k"}, "'who', which is not a number")])  # fmt: skip
def test_a_field_that_cannot_be_counted_given_another_is_an_error(given: dict[str, str], message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        describe(_timed(2, 40), TIMED, outputs={}, given=given)
