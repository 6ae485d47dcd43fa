"""Numbers counted in sorted blocks are those that pandas counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbship.model.build.reference import Distribution, Grouping, SortedNumbers, count, row_hashes
from nbship.model.signature import Codes

EDGES = np.array([-np.inf, -1.0, 0.0, 0.5, 2.0, np.inf])


def _numbers(random: np.random.Generator, rows: int) -> Any:
    values = random.normal(size=rows).round(1)
    special = [np.nan, np.inf, -np.inf, -1.0, 2.0]
    return np.where(random.random(rows) < 0.2, random.choice(special, rows), values)


@pytest.mark.parametrize("rows", [0, 1, 40, 5000])
@pytest.mark.parametrize("order", ["sorted", "mixed", "some in none", "one block"])
def test_counts_sums_and_distinct_values_are_those_of_pandas(rows: int, order: str) -> None:
    random = np.random.default_rng(rows)
    number = 1 if order == "one block" else 7
    blocks = random.integers(-1 if order == "some in none" else 0, number, rows)
    blocks = np.sort(blocks) if order == "sorted" else blocks
    values = _numbers(random, rows)
    found = SortedNumbers(values, Grouping(blocks, number))
    frame = pd.DataFrame({"block": blocks, "value": values})[blocks >= 0]
    known = frame[np.isfinite(frame["value"])]
    bins = pd.cut(known["value"], EDGES, labels=False)
    expected = pd.crosstab(known["block"], bins).reindex(index=range(number), columns=range(5), fill_value=0)
    table = found.counts(EDGES)
    assert table[:, :-1].tolist() == expected.to_numpy().tolist()
    missing = frame[~np.isfinite(frame["value"])].groupby("block").size().reindex(range(number), fill_value=0)
    assert table[:, -1].tolist() == missing.tolist()
    sums = known.assign(square=known["value"] ** 2).groupby("block")[["value", "square"]].sum()
    np.testing.assert_allclose(found.sums(), sums.reindex(range(number), fill_value=0).to_numpy().T, atol=1e-9)
    distinct = known.groupby("block")["value"].unique()
    sets = [frozenset(distinct.get(block, np.empty(0)).tolist()) for block in range(number)]
    assert found.distinct(most=20) == [None if len(each) > 20 else each for each in sets]
    numbers, occurrences = found.unique
    assert pd.Series(occurrences).groupby(numbers).sum().to_dict() == known["value"].value_counts().to_dict()


def test_codes_are_counted_and_hashed_as_their_strings() -> None:
    random = np.random.default_rng(0)
    known = np.array(["c", "a", "unused", "new", None], dtype=object)
    codes = Codes(random.choice([0, 1, 3, 4], 300).astype(np.int8), known)
    like = Distribution("category", "input", np.array([5, 5, 5]), 0, categories=("a", "b", "c"))
    blocks = random.integers(0, 3, 300)
    coded, plain = (count(each, like, blocks=blocks, number=3) for each in (codes, np.asarray(codes)))
    assert coded.table.tolist() == plain.table.tolist()
    assert {name: rows.tolist() for name, rows in coded.new.items()} == {"new": plain.new["new"].tolist()}
    other = random.normal(size=300)
    assert row_hashes({"x": codes, "y": other}).tolist() == row_hashes({"x": np.asarray(codes), "y": other}).tolist()
