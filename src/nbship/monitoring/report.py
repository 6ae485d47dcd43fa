"""The report of a window: its sections, and its file.

`report.json`, format 1 (canonical JSON: sorted keys, exact floats, no NaN)::

    format            1
    model, version    the package that predictions are compared with
    window            from, to, timezone
    volume            rows, days, per_day, missing_days, by_mode, by_version, unreadable, verdict, reason
    drift             one record per input: psi, jensen_shannon, chi_squared, ks, missing, new_categories,
                      distribution, checks, verdict, reason; unused if it drifted and no prediction depends
                      on it
    prediction_drift  the same for the predictions
    performance       rows, labelled, share_labelled, measures, reference, calibration, checks, verdict,
                      reason
    slices            one record per slice: slice, value, rows, measures, verdict
    trend             one record per earlier window, then one for this window
    service           requests, errors, share_errors, latency_ms, from, to, verdict, reason
    verdict           ok | insufficient | warning | alert
    headline, advice  what changed and what to do, in words
    reasons           the findings and insufficient checks, findings first
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .conclusion import conclude
from .drift import CHECKS_A_FIELD, Counted, drift
from .performance import performance
from .report_file import FORMAT
from .service import service, volume
from .slices import slices
from .trend import trend
from .verdict import ALERT, FALSE_ALARMS, OK, WARNING
from .window import Window

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Compared", "Observed", "build_report"]

# Missing days, ranking and calibration, and all slices together.
_OTHER_CHECKS = 4


@dataclass(frozen=True)
class Compared:
    """A field's counts in the reference and in the window; `current` is None where the window does not have it."""

    name: str
    reference: Counted
    current: Counted | None


@dataclass(frozen=True)
class Observed:
    """The data of a window, and the reference to compare them with.

    Attributes
    ----------
    model, version
        Of the package whose reference is used.
    kind
        What is predicted: "probability" or "value".
    frame
        One row per prediction: `event_time` with a zone, `predicted`, `actual` (NaN while unknown), `mode`, `version`,
        and a column for each slice.
    fields
        The inputs, counted.
    prediction
        The predictions, counted.
    held_out
        The package's measures on held-out data.
    slices
        Names of the slicing columns.
    service
        The section about the requests that the service answered in the window.
    unreadable
        One sentence for each batch run of the window whose rows can no longer be read.
    has_effect
        Returns whether predictions depend on an input; it is asked about inputs that drifted.
    """

    model: str
    version: str
    kind: str
    frame: pd.DataFrame
    fields: Sequence[Compared]
    prediction: Compared | None
    held_out: Mapping[str, Any] | None = None
    slices: Sequence[str] = ()
    service: Mapping[str, Any] = field(default_factory=lambda: service(()))
    unreadable: Sequence[str] = ()
    has_effect: Callable[[str], bool] = lambda _: True


def build_report(
    observed: Observed, window: Window, *, min_rows: int = 200, folder: Path | None = None
) -> dict[str, Any]:
    """Build the report of a window.

    Parameters
    ----------
    min_rows
        Rows below which a check is `insufficient`.
    folder
        The folder with the reports of other windows, for the trend.

    Returns
    -------
    dict
        The report, as the module describes it.
    """
    alpha = FALSE_ALARMS / (CHECKS_A_FIELD * (len(observed.fields) + 1) + _OTHER_CHECKS)
    limits: dict[str, Any] = {"alpha": alpha, "min_rows": min_rows}
    sections = {
        "volume": volume(observed.frame, window, unreadable=observed.unreadable, **limits),
        "drift": [_input_drift(compared, observed, limits) for compared in observed.fields],
        "prediction_drift": _prediction_drift(observed.prediction, limits),
        "performance": performance(
            observed.frame, kind=observed.kind, reference=observed.held_out, zone=window.zone, **limits
        ),
        "slices": slices(observed.frame, observed.slices, kind=observed.kind, zone=window.zone, **limits),
        "service": observed.service,
    }
    report = {
        "format": FORMAT,
        "model": observed.model,
        "version": observed.version,
        "window": {"from": window.first, "to": window.last, "timezone": window.zone.key},
        **sections,
        **conclude(sections),
    }
    return report | {"trend": trend(folder, report)}


def _drift(compared: Compared, limits: Mapping[str, Any]) -> dict[str, Any]:
    return drift(compared.name, compared.reference, compared.current, **limits)


def _input_drift(compared: Compared, observed: Observed, limits: Mapping[str, Any]) -> dict[str, Any]:
    record = _drift(compared, limits)
    if record["verdict"] not in (WARNING, ALERT) or observed.has_effect(compared.name):
        return record
    return record | {
        "verdict": OK,
        "unused": True,
        "reason": f"No prediction depends on this input. {record['reason']}",
    }


def _prediction_drift(compared: Compared | None, limits: Mapping[str, Any]) -> dict[str, Any]:
    if compared is None:
        reason = "The package holds no reference distribution of predictions."
        return {"field": None, "rows": 0, "checks": [], "verdict": "insufficient", "reason": reason}
    return _drift(compared, limits)
