"""The report of a window: its sections, and its file.

`report.json`, format 2 (canonical JSON: sorted keys, exact floats, no NaN)::

    format            2
    model, version    the package that predictions are compared with
    window            from, to, timezone
    promises          periods, days, false_alarms, distribution_free, reason
    volume            rows, days, per_day, missing_days, by_mode, by_version, unreadable, verdict, reason
    drift             one record per input: effective_rows, psi, jensen_shannon, chi_squared, ks, missing, new_categories,
                      distribution, history, checks, listed, verdict, kind, reason; unused if it drifted and no prediction
                      depends on it
    given             the same per input and value of another field
    prediction_drift  the same for the predictions
    data              one record per check of rows: check, subject, value, reference, p_value, verdict, kind, reason
    unseen            rows, share, fields, months, verdict, kind, reason
    performance       rows, labelled, share_labelled, days, effective_rows, measures, intervals, reference, calibration,
                      checks, verdict, reason; expected, estimates and last_labelled: what is known without labels
    labels            cohorts, share, expected_share, delays, complete, verdict, kind, reason
    slices            one record per slice: slice, value, rows, measures, miss, low, high, expected_miss, verdict
    discovered        one record per slice that was found: slice, where, rows, error, others, p_value, verdict
    segments          one record per new segment: slice, where, rows, share, first_seen, labelled, error, others, p_value,
                      verdict, kind, reason
    feedback          rows, days, effective_rows, fifths, checks, verdict, reason: what depends on the predictions
    trend             one record per earlier window, then one for this window
    history           windows, checks, verdict, reason: this window compared with the earlier ones
    service           requests, errors, share_errors, latency_ms, from, to, days, checks, verdict, reason; resources: processes,
                      hours, cpu_seconds, cores, memory_bytes, days
    training          the last run of each stage: stage, started, seconds, cpu_seconds, peak_memory
    verdict           ok | notice | insufficient | warning | alert
    headline, advice  what changed and what to do, in words
    reasons           verdict, kind, section, subject and reason of findings, then notices, then insufficient checks
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..forks import forked
from .coding import Coded
from .conclusion import conclude
from .drift import Collected, Compared, integrity, measure, settle, unseen
from .performance import Pairs, discovered, estimates, feedback, labels, new_segments, performance, slices
from .report_file import FORMAT
from .service import judge_service, service
from .trend import history, reports_before, trend
from .verdict import ALERT, FALSE_ALARMS, INSUFFICIENT, OK, WARNING
from .volume import volume
from .window import Window

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Compared", "Observed", "build_report"]

# Missing days, ranking, calibration, all slices together, those that were found, new segments, two checks of feedback, and
# earlier windows; and the share of a field in the false alarms.
_OTHER_CHECKS, _CHECKS_A_FIELD = 9, 3


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
        One row per prediction: `event_time` with a zone, `predicted`, `actual` (NaN while unknown), `actual_time` (when it
        became known), `mode`, `version`, and a column for each slice.
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
    training
        The cost of the last run of each stage.
    unreadable
        One sentence for each batch run of the window whose rows can no longer be read.
    has_effect
        Returns whether predictions depend on an input; it is asked about inputs that drifted.
    collected
        Counts of the rows as a whole.
    as_of
        The time of the latest event in the log; None if that is the end of the window.
    over
        Days of the window that are over; None: all. Those that are to come lack no predictions.
    inputs
        The inputs of the rows of `frame`, as codes.
    pairs
        The combinations of values of two inputs in training; None if the package does not store them.
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
    training: Sequence[Mapping[str, Any]] = ()
    unreadable: Sequence[str] = ()
    has_effect: Callable[[str], bool] = lambda _: True
    collected: Collected = field(default_factory=Collected)
    as_of: datetime | None = None
    over: int | None = None
    inputs: Mapping[str, Coded] = field(default_factory=dict)
    pairs: Pairs | None = None


def build_report(
    observed: Observed, window: Window, *, min_rows: int = 200, row_counts: bool = True, folders: Sequence[Path] = ()
) -> dict[str, Any]:
    """Build the report of a window.

    Parameters
    ----------
    min_rows
        Rows below which a check is `insufficient`.
    row_counts
        Whether to compare the number of rows with the training data.
    folders
        Folders with the reports of other windows, for the trend, and for what labels and estimates are compared with. Of
        a window with two reports, the last folder's counts.

    Returns
    -------
    dict
        The report, as the module describes it.
    """
    limits: dict[str, Any] = {"alpha": _alpha(observed), "min_rows": min_rows}
    earlier = reports_before(*folders, model=observed.model, first=window.first)
    sections = {
        "volume": volume(observed.frame, window, unreadable=observed.unreadable, over=observed.over, **limits),
        **_of_data(observed, min_rows=min_rows, row_counts=row_counts),
        "unseen": unseen(observed.collected, window),
        **_of_labels(observed, window, earlier, limits),
        "service": dict(observed.service)
        | judge_service(observed.service, [each.get("service", {}) for each in earlier]),
    }
    about = {
        "format": FORMAT,
        "model": observed.model,
        "version": observed.version,
        "window": {"from": window.first, "to": window.last, "timezone": window.zone.key},
        "promises": _promises(observed),
    }
    sections["history"] = history(about | sections, earlier, alpha=limits["alpha"])
    report = {**about, **sections, **conclude(sections), "training": list(observed.training)}
    return report | {"trend": trend(earlier, report)}


def _of_labels(
    observed: Observed, window: Window, earlier: Sequence[Mapping[str, Any]], limits: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the sections about rows whose label is known, and about those whose label is not."""
    frame, kind, zone, alpha = observed.frame, observed.kind, window.zone, limits["alpha"]
    as_of = window.end if observed.as_of is None else max(observed.as_of, frame["event_time"].max())
    judged: dict[str, Any] = {"kind": kind, "alpha": alpha, "zone": zone}
    segments = [each.get("segments", ()) for each in earlier]

    def measures() -> Iterator[dict[str, Any]]:
        yield performance(frame, kind=kind, reference=observed.held_out, zone=zone, **limits)
        yield feedback(frame, as_of=as_of, earlier=earlier, min_rows=limits["min_rows"], **judged)

    # They take about as long as the rest.
    with forked(measures) as measuring:
        sections = {
            "labels": labels(
                frame, as_of=as_of, earlier=[each.get("labels", {}) for each in earlier], alpha=alpha, zone=zone
            ),
            "slices": slices(frame, observed.slices, kind=kind, zone=zone, **limits),
            "discovered": discovered(frame, observed.slices, inputs=observed.inputs, **judged),
            "segments": new_segments(frame, observed.inputs, observed.pairs, earlier=segments, **judged),
        }
        measured, fed_back = measuring
    estimated = estimates(frame, measured, earlier, kind=kind, first=window.first)
    return {"performance": measured | estimated, **sections, "feedback": fed_back}


def _alpha(observed: Observed) -> float:
    """Return the share of a single check outside of drift."""
    return FALSE_ALARMS / (_CHECKS_A_FIELD * (len(observed.fields) + 1) + _OTHER_CHECKS)


def _of_data(observed: Observed, *, min_rows: int, row_counts: bool) -> dict[str, Any]:
    """Judge all checks of data together: fields, fields given others, predictions, and rows as a whole."""
    inputs = [_measured(compared, observed, min_rows=min_rows) for compared in observed.fields]
    known = observed.prediction
    prediction = None if known is None else _measured(known, observed, min_rows=min_rows)
    rows = integrity(observed.collected, min_rows=min_rows, row_counts=row_counts, over=observed.over)
    *settled, last = settle([*inputs, *([] if prediction is None else [prediction]), {"checks": rows, "verdict": OK}], others=_OTHER_CHECKS)  # fmt: skip
    judged = [_with_effect(record, observed) for record in settled[: len(inputs)]]
    return {
        "drift": [record for record in judged if not record.get("given")],
        "given": [record for record in judged if record.get("given")],
        "prediction_drift": settled[-1] if prediction is not None else _no_prediction(),
        "data": last["checks"],
    }


def _measured(compared: Compared, observed: Observed, *, min_rows: int) -> dict[str, Any]:
    if compared.current is None and observed.frame.empty:
        # The service had requests in this window, with events of others.
        unknown = {"verdict": INSUFFICIENT, "kind": None, "reason": "No predictions for events in this window."}
        return {"field": compared.name, "rows": 0, "reference_rows": compared.reference.rows, "checks": [], **unknown}
    return measure(compared, min_rows=min_rows)


def _with_effect(record: dict[str, Any], observed: Observed) -> dict[str, Any]:
    given = record.get("given")
    if record["verdict"] not in (WARNING, ALERT) or observed.has_effect(given["field"] if given else record["field"]):
        return record
    return record | {
        "verdict": OK,
        "unused": True,
        "reason": f"No prediction depends on this input. {record['reason']}",
    }


def _no_prediction() -> dict[str, Any]:
    reason = "The package holds no reference distribution of predictions."
    return {"field": None, "rows": 0, "checks": [], "verdict": INSUFFICIENT, "kind": None, "reason": reason}


def _promises(observed: Observed) -> dict[str, Any]:
    """Return how often a report on unchanged data raises a false alarm: if past indices are log-normal, and without that.

    Without an assumption, a window that is more extreme than all of B past periods has the probability 1 / (B + 1).
    """
    plan = observed.collected.plan
    number = len(plan.units)
    return {
        "periods": number,
        "days": plan.length,
        "false_alarms": FALSE_ALARMS if number else None,
        "distribution_free": 1 / (number + 1) if number else None,
        "reason": plan.reason,
    }
