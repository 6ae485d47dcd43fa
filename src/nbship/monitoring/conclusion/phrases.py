"""Sentences about single findings, and which records are findings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..verdict import ALERT, WARNING

__all__ = [
    "IMPORT_LABELS",
    "all_drift",
    "by_size",
    "check_words",
    "findings",
    "found_words",
    "of_service",
    "slice_words",
    "value_words",
]

_FINDINGS = (WARNING, ALERT)
IMPORT_LABELS = "Import the labels with `nbship labels FILE`, then write this report again."


def findings(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [record for record in records if record["verdict"] in _FINDINGS]


def all_drift(sections: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*sections["drift"], *sections.get("given", ()), sections["prediction_drift"]]


def of_service(sections: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the findings about the service, by their checks."""
    return {check["check"]: check for check in findings(sections["service"]["checks"])}


def by_size(drift: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(drift, key=lambda record: -(record.get("psi") or math.inf))


def check_words(check: Mapping[str, Any]) -> str:
    value, reference = check["value"], check["reference"]
    if check["check"] == "mean probability against rate":
        side = "high" if check["change"] > 0 else "low"
        return f"the mean probability is {value:.1%} and the observed rate {reference:.1%} ({abs(check['change']) * 100:.1f} points too {side})."
    if value is None or reference is None:
        return f"the {_name(check)} cannot be compared: {'it is not defined in this window' if value is None else 'the package holds no reference value'}."
    direction = "fell" if value < reference else "rose" if value > reference else "stayed"
    return f"the {_name(check)} {direction} from {reference:.3f} on held-out data to {value:.3f}."


def _name(check: Mapping[str, Any]) -> str:
    name = str(check["check"])
    return {"auc": "AUC", "mae": "mean absolute error"}.get(name, name)


def slice_words(row: Mapping[str, Any]) -> str:
    return f"the mean probability is {row['mean_probability']:.1%} and the observed rate {row['base_rate']:.1%} ({row['n']} rows)."


def found_words(row: Mapping[str, Any]) -> str:
    where = " and ".join(f"{one['field']} is {one['value']}" for one in row["where"])
    size = (
        f"{row['error'] / row['others']:.1f} times that of other rows with such predictions"
        if row["others"]
        else f"{row['error']:.3g}, and 0 in other rows with such predictions"
    )
    return f"where {where}, the error is {size} ({row['rows']:,} rows)"


def value_words(value: Any) -> str:
    return "(missing)" if value is None else str(value)
