"""What a verdict records of the training rows, so that the next gate can compare: labels by day, counts and never rows.

Rows of one day are divided by a hash of their keys. A cell has the number of its rows and of its positive labels:
on the same days the next training rows must have the same, unless labels were corrected or mixed up. For example, of the 21
rows of a cell 5 were late; with 5 % of all labels shuffled it is 4 or 6 in every third cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...model import Signature
from ...model.build import row_hashes
from ...model.signature import columns_of
from ..checks import FAILED, INSUFFICIENT, PASSED, Check
from ..evidence import Evidence
from ..limits import Limits
from ..rows import days_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["label_checks", "training_record"]

FORMAT = 1
NAME = "same days, same labels"
# Rows of a cell on average; cells with fewer than the least are left out, so that counts show no row.
_ROWS_A_CELL, _LEAST, _MOST_CELLS = 24, 8, 64
_LEAST_SHARE = 0.2


def training_record(evidence: Evidence, used: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return what the next gate compares with: the columns used, days, and the labels of cells."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "rows": len(evidence.train),
        "used": dict(used),
    }
    days = days_of(evidence.train, evidence.signature)
    if days is None:
        return record
    first, number = int(days.min()), int(days.max() - days.min()) + 1
    cells = int(np.clip(len(days) / (len(np.unique(days)) * _ROWS_A_CELL), 1, _MOST_CELLS))
    place, size = _cells(evidence.train, evidence.signature, days - first, cells), number * cells
    rows = np.bincount(place, minlength=size)
    labels = np.bincount(place, weights=evidence.train_actual, minlength=size)
    few = rows < _LEAST
    rows[few], labels[few] = 0, 0
    return record | {
        "first_day": str(np.datetime64(first, "D")),
        "last_day": str(np.datetime64(int(days.max()), "D")),
        "cells": cells,
        "cell_rows": [_joined(line) for line in rows.reshape(number, cells)],
        "cell_labels": [_joined(line) for line in labels.reshape(number, cells)],
    }


def _joined(numbers: NDArray[Any]) -> str:
    """Return numbers in one string: a line of JSON for each day, and not for each cell."""
    return " ".join(f"{number:.6g}" for number in numbers.tolist())


def _cells(frame: pd.DataFrame, signature: Signature, days: NDArray[np.int64], cells: int) -> NDArray[np.int64]:
    keys = [name for name in dict.fromkeys((*signature.keys, signature.event_time)) if name in frame]
    names = keys if signature.keys else [name for name in signature.names if name in frame]
    hashes = row_hashes(columns_of(frame[names]))
    # The high digits: the low ones of a product depend on fewer bits.
    cell: NDArray[np.int64] = ((hashes >> np.uint64(20)) % np.uint64(cells)).astype(np.int64)
    return days * cells + cell


def label_checks(evidence: Evidence, limits: Limits) -> Iterator[Check]:
    """Check the labels of the days that production was trained on too."""
    production = evidence.production
    if production is None:
        return
    found = _compared(evidence, production.record)
    if found is None:
        reason = f"Production (version {production.version}) was built without a record of its labels: whether they changed is not known. The next gate can compare."
        yield Check(NAME, INSUFFICIENT, reason)
        return
    changed, share = found
    if share < _LEAST_SHARE:
        reason = f"Only {share:.0%} of production's training rows are in these training rows: whether labels changed is not known."
        yield Check(NAME, INSUFFICIENT, reason)
    elif changed <= limits.max_label_changes:
        reason = f"On the days that production was trained on too, at least {changed:.2%} of the labels differ, limit {limits.max_label_changes:.2%}."
        yield Check(
            NAME, PASSED, reason.replace("at least ", "") if not changed else reason, changed, limits.max_label_changes
        )
    else:
        reason = f"On the days that production was trained on too, at least {changed:.1%} of the labels differ, limit {limits.max_label_changes:.2%}. Labels were mixed up or joined to other rows, or defined anew; if they were corrected, raise 'max_label_changes'."
        yield Check(NAME, FAILED, reason, changed, limits.max_label_changes)


def _compared(evidence: Evidence, record: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the share of labels that differ at least, and the share of production's rows that could be compared."""
    days = days_of(evidence.train, evidence.signature)
    if days is None or record.get("format") != FORMAT or "cells" not in record:
        return None
    cells, first = int(record["cells"]), int(np.datetime64(record["first_day"], "D").astype(np.int64))
    before, labels = (
        np.array([[float(number) for number in line.split()] for line in record[name]]).ravel()
        for name in ("cell_rows", "cell_labels")
    )
    inside = (days >= first) & (days - first < len(record["cell_rows"]))
    place = _cells(evidence.train[inside], evidence.signature, days[inside] - first, cells)
    rows = np.bincount(place, minlength=len(before))
    sums = np.bincount(place, weights=evidence.train_actual[inside], minlength=len(before))
    # The same rows, or each of them as often: days that a bootstrap drew twice.
    times = np.divide(rows, before, out=np.zeros(len(before)), where=before > 0)
    same = (times > 0) & (times == np.floor(times))
    if not same.any():
        return 0.0, 0.0
    total = before[same].sum() if evidence.kind == "probability" else max(1e-12, np.abs(labels[same]).sum())
    changed = np.abs(sums[same] / times[same] - labels[same])
    # Labels are stored with six digits.
    changed = np.where(changed <= 1e-5 * np.maximum(1.0, np.abs(labels[same])), 0.0, changed)
    return float(changed.sum() / total), float(before[same].sum() / before.sum())
