"""The least that measures of drift take: `python drift_floor.py REFERENCE CURRENT THREADS` prints them as JSON.

Numbers: the stability index and the Jensen-Shannon distance in ten bins between the reference's deciles, and the exact
Kolmogorov-Smirnov statistic. Categories: the same two in the categories, and chi-squared.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def main() -> None:
    """Print the measures of each column."""
    reference, current, threads = sys.argv[1:4]
    pa.set_cpu_count(int(threads))
    names = pq.read_schema(reference).names
    with ThreadPoolExecutor(int(threads)) as pool:
        found = list(pool.map(partial(_measured, reference, current), names))
    print(json.dumps(dict(zip(names, found, strict=True))))


def _measured(reference: str, current: str, name: str) -> dict[str, float]:
    before, now = (pq.read_table(path, columns=[name]).column(name) for path in (reference, current))
    if pa.types.is_floating(before.type):
        r, c = (np.sort(each.drop_null().to_numpy()) for each in (before, now))
        edges = r[(np.arange(1, 10) * len(r)) // 10]
        counts = [np.diff(np.concatenate([[0], np.searchsorted(each, edges, "right"), [len(each)]])) for each in (r, c)]
        return {"ks": _ks(r, c), **_distances(*counts)}
    counts = _counts(before, now)
    both, (m, n) = counts[0] + counts[1], (each.sum() for each in counts)
    expected = both * m / (m + n), both * n / (m + n)
    statistic = sum(float(np.sum((one - two) ** 2 / two)) for one, two in zip(counts, expected, strict=True))
    return {"chi_squared": statistic, **_distances(*counts)}


def _ks(r: Any, c: Any) -> float:
    """Return the largest gap between two cumulative distributions, from sorted values."""
    both = np.sort(np.concatenate([r, c]))
    return float(
        np.max(np.abs(np.searchsorted(r, both, "right") / len(r) - np.searchsorted(c, both, "right") / len(c)))
    )


def _counts(before: Any, now: Any) -> list[Any]:
    counted = [dict(zip(*(each.to_pylist() for each in pc.value_counts(one).flatten()), strict=True)) for one in (before, now)]  # fmt: skip
    names = sorted({name for each in counted for name in each if name is not None})
    return [np.array([each.get(name, 0) for name in names], dtype=float) for each in counted]


def _distances(before: Any, now: Any) -> dict[str, float]:
    p, q = ((each + 0.5) / (each.sum() + 0.5 * len(each)) for each in (before, now))
    psi = float(np.sum((p - q) * np.log(p / q)))
    p, q = before / before.sum(), now / now.sum()
    middle = (p + q) / 2
    divergence = sum(float(np.sum(one[one > 0] * np.log2(one[one > 0] / middle[one > 0]))) for one in (p, q)) / 2
    return {"psi": psi, "jensen_shannon": float(np.sqrt(max(divergence, 0.0)))}


if __name__ == "__main__":
    main()
