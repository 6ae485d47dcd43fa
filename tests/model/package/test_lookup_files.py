"""The lookups of a package are read as they were written, by NumPy alone."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from nbship.data import Key, Lookup
from nbship.errors import CorruptPackageError, PackageError
from nbship.model.package import dump_lookups, load_lookups


def shops() -> Lookup:
    table = pd.DataFrame(
        {
            "shop": ["ü", "b", None, "a"],
            "since": pd.to_datetime(["2024-01-01T05:00", "1969-07-20T00:00", "2024-01-03T00:00", None], utc=True),
            "size": pd.array([3, None, 5, 7], dtype="Int64"),
            "open": [True, False, True, False],
            "town": ["York", None, "Bath", "York"],
            "seen": pd.to_datetime(
                ["2024-01-01T05:00:00.000001", None, "2024-01-03", None], format="ISO8601", utc=True
            ),
        }
    )
    keys = ("shop", Key("at", to="since", floor="h"))
    return Lookup("shops", keys, ("size", "open", "town", "seen"), table=table)


def test_a_lookup_finds_the_same_values_after_it_was_stored() -> None:
    lookup = shops()
    files = dump_lookups([lookup])
    assert sorted(files) == ["lookups.json", "lookups/shops.npz"]
    assert files == dump_lookups([shops()])
    (loaded,) = load_lookups(files)
    assert (loaded.name, loaded.keys, loaded.columns) == (lookup.name, lookup.keys, lookup.columns)
    rows = {
        "shop": np.array(["ü", "b", "elsewhere", None, "ü"], dtype=object),
        "at": np.array(["2024-01-01T05:59", "1969-07-20", "2024-01-03", "2024-01-03", "NaT"], dtype="datetime64[us]"),
    }
    found = loaded.attach(rows)
    assert found["size"].tolist()[0] == 3.0
    assert np.isnan(found["size"][1:]).all()
    assert found["open"].tolist()[:2] == [1.0, 0.0]
    assert found["town"].tolist() == ["York", None, None, None, None]
    assert found["seen"].tolist()[0] == pd.Timestamp("2024-01-01T05:00:00.000001").to_pydatetime()
    assert np.isnat(found["seen"][1:]).all()


def test_a_column_that_cannot_be_stored_is_named() -> None:
    table = pd.DataFrame({"shop": ["a"], "day": [date(2024, 1, 1)]})
    with pytest.raises(PackageError, match="Column 'day' of lookup 'days' holds other values"):
        dump_lookups([Lookup("days", ("shop",), ("day",), table=table)])


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY"])
def test_a_damaged_lookup_is_named(content: bytes) -> None:
    files = {**dump_lookups([shops()]), "lookups/shops.npz": content}
    with pytest.raises(CorruptPackageError, match=r"'lookups/shops\.npz' cannot be read"):
        load_lookups(files)
