"""The sums of leaf values are the same for one row, for a few rows and for many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nbship.model.backends.leaf_sums import LeafSums


@pytest.mark.parametrize(("word", "value"), [(np.uint32, np.float64), (np.uint64, np.float64), (np.uint32, np.float32)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_sums_do_not_depend_on_the_number_of_rows(word: Any, value: Any, outputs: int) -> None:
    random = np.random.default_rng(3)
    bits, words, sizes = 8 * word().itemsize, 90, [40, 7, 12]
    # The sets of the first input have one leaf each, which the other inputs leave or remove: a word may have no leaf.
    first = word(1) << random.integers(0, bits, (sizes[0], words)).astype(word)
    others = random.integers(0, np.iinfo(word).max, (sum(sizes[1:]), words), dtype=word, endpoint=True)
    values = random.normal(size=(words, bits + 1, 1)).astype(value)
    of_word = np.zeros(words, dtype=int) if outputs == 1 else np.arange(words) % outputs
    base = random.normal(size=outputs).astype(value)
    sums = LeafSums(np.concatenate([first, others]), sizes, values, of_word, base)
    starts = np.cumsum([0, *sizes[:-1]])
    bins = np.stack([start + random.integers(0, size, 100) for start, size in zip(starts, sizes, strict=True)], axis=1)
    many = np.empty((len(bins), outputs), dtype=value)
    sums.sum_rows(np.ascontiguousarray(bins.T), many, sums.allocate_buffers(len(bins)))
    singles = [sums.sum_row(row) for row in bins.tolist()]
    assert singles == many.tolist()
    for count in (1, 2, 31, 100):
        assert sums.sum_each(bins[:count].tolist()) == singles[:count]
