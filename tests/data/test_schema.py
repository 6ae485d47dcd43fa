"""Invalid rows are quarantined and counted; a table of the wrong structure is an error."""

from __future__ import annotations

import pandas as pd
import pytest

from nbship.data.schema import Check, Column, Table, validate
from nbship.errors import EmptyDataError, SchemaError, SchemaFailure

PLANES = Table(
    "planes",
    {
        "tail": Column("string"),
        "seats": Column("integer", nullable=True, minimum=1, maximum=900),
        "kind": Column("string", categories=("jet", "propeller")),
    },
    key=("tail",),
    checks=(Check("a propeller has few seats", lambda rows: (rows["kind"] != "propeller") | ~(rows["seats"] > 100)),),
    max_bad_share=0.9,
)


def planes(**changes: list[object]) -> pd.DataFrame:
    good = {"tail": ["N1", "N2", "N3"], "seats": [100.0, None, 180.0], "kind": ["jet", "jet", "propeller"]}
    return pd.DataFrame({**good, "seats": [100.0, None, 80.0], **changes})


def test_valid_rows_are_accepted_unchanged() -> None:
    found = validate(planes(), PLANES)
    pd.testing.assert_frame_equal(found.accepted, planes())
    assert found.quarantined.empty
    assert found.failures == ()


@pytest.mark.parametrize(
    ("changes", "column", "expectation"),
    [
        ({"tail": ["N1", None, "N3"]}, "tail", "is not null"),
        ({"seats": [100.0, 0.0, 80.0]}, "seats", "is at least 1"),
        ({"seats": [100.0, 901.0, 80.0]}, "seats", "is at most 900"),
        ({"seats": [100.0, 1.5, 80.0]}, "seats", "is an integer"),
        ({"kind": ["jet", "kite", "propeller"]}, "kind", "is a known category"),
        ({"tail": ["N1", "N1", "N3"]}, None, "is the only row with its tail"),
        ({"seats": [100.0, None, 180.0]}, None, "a propeller has few seats"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason(
    changes: dict[str, list[object]], column: str | None, expectation: str
) -> None:
    found = validate(planes(**changes), PLANES)
    assert found.failures == (SchemaFailure("planes", column, expectation, 1),)
    assert len(found.accepted) == 2
    assert found.quarantined["reasons"].tolist() == [f"{column} {expectation}" if column else expectation]
    assert found.summary()["quarantined"] == 1


def test_a_row_that_breaks_two_expectations_counts_once() -> None:
    found = validate(planes(seats=[100.0, -1.5, 80.0]), PLANES)
    assert found.quarantined["reasons"].tolist() == ["seats is an integer; seats is at least 1"]
    assert found.summary()["quarantined"] == 1
    assert len(found.failures) == 2


def test_columns_outside_the_schema_are_dropped() -> None:
    assert list(validate(planes().assign(secret=1), PLANES).accepted) == ["tail", "seats", "kind"]


def test_every_missing_and_mistyped_column_is_named_at_once() -> None:
    with pytest.raises(SchemaError, match=r"'seats exists \(did you mean 'seat'\?\)'.*'kind holds string") as caught:
        validate(planes(kind=[1, 2, 3]).rename(columns={"seats": "seat"}), PLANES)
    assert [failure.column for failure in caught.value.failures] == ["seats", "kind"]


def test_too_many_bad_rows_fail_the_table() -> None:
    strict = Table("planes", PLANES.columns, max_bad_share=0.3)
    with pytest.raises(SchemaError, match=r"1 bad row of 3, more than the allowed 30\.00%") as caught:
        validate(planes(kind=["jet", "kite", "jet"]), strict)
    assert caught.value.failures[0].rows == 1


def test_no_rows_are_an_error_not_a_pass() -> None:
    with pytest.raises(EmptyDataError, match=r"'planes' has 0 rows"):
        validate(planes().iloc[:0], PLANES)


def test_a_timestamp_needs_a_time_zone() -> None:
    table = Table("weather", {"at": Column("timestamp", minimum=pd.Timestamp("2013-01-01", tz="UTC"))})
    naive = pd.DataFrame({"at": pd.to_datetime(["2013-02-01"])})
    assert len(validate(naive.assign(at=naive["at"].dt.tz_localize("UTC")), table).accepted) == 1
    with pytest.raises(SchemaError, match=r"'at holds timestamp, not datetime64"):
        validate(naive, table)
