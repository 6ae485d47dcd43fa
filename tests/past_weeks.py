"""Training data of many weeks and windows after them, judged as `nbship monitor` judges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from nbship.model import Field, Signature, to_local
from nbship.model.build import Grouping, measure
from nbship.model.build.reference import Reference, describe
from nbship.monitoring.coding import InputCodes
from nbship.monitoring.drift.collected import Collector, read_relations
from nbship.monitoring.drift.counting import FieldCounts
from nbship.monitoring.drift.pieces import plan
from nbship.monitoring.observation.counts import _given
from nbship.monitoring.performance import Pairs
from nbship.monitoring.report import Observed, build_report
from nbship.monitoring.window import parse_window

Values = np.ndarray[Any, np.dtype[Any]]
_START = np.datetime64("2024-01-01", "us")
_DAY = 86_400_000_000


def event_times(first_day: int, days: int, rows: int) -> Values:
    """Return `rows` times, evenly over some days; day 0 is 2024-01-01, in UTC."""
    return _START + np.timedelta64(first_day * _DAY, "us") + (np.arange(rows) * (days * _DAY // max(1, rows))).astype("timedelta64[us]")  # fmt: skip


def signature_of(columns: Mapping[str, Values]) -> Signature:
    """Return a signature of nullable numbers and open categories, and the event time `at`."""
    others = [Field(name, "category" if values.dtype == object else "float", nullable=True, open=bool(values.dtype == object)) for name, values in columns.items()]  # fmt: skip
    return Signature((Field("at", "datetime", timezone="UTC"), *others), event_time="at")


def train(
    columns: Mapping[str, Values],
    *,
    days: int = 147,
    given: Mapping[str, str] | None = None,
    scores: Values | None = None,
) -> tuple[Reference, Signature]:
    """Return the reference of rows that come evenly over the days from 2024-01-01, by default 21 weeks."""
    signature, rows = signature_of(columns), len(next(iter(columns.values())))
    outputs = {"probability": np.random.default_rng(0).random(rows) if scores is None else scores}
    return describe({"at": event_times(0, days, rows), **columns}, signature, outputs=outputs, given=given), signature


def judge(
    reference: Reference,
    signature: Signature,
    columns: Mapping[str, Values | None],
    *,
    at: Values | None = None,
    first: str = "2024-07-01",
    last: str = "2024-07-08",
    scores: Values | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Return the report of a window; without `at`, its rows come evenly over the window, and without `scores` they are random."""
    rows = next(len(values) for values in columns.values() if values is not None)
    start, end = ((np.datetime64(day, "us") - _START).astype(int) // _DAY for day in (first, last))
    when = event_times(int(start), int(end - start), rows) if at is None else at
    found = {"at": when, **{name: values for name, values in columns.items() if values is not None}}
    scores = np.random.default_rng(1).random(rows) if scores is None else scores
    return judge_columns(reference, signature, found, scores, first=first, last=last, **options)


def judge_columns(
    reference: Reference,
    signature: Signature,
    columns: Mapping[str, Values],
    scores: Values,
    *,
    first: str,
    last: str,
    relations: Sequence[str] = (),
    has_effect: Callable[[str], bool] = lambda _: True,
    actual: Values | None = None,
    held_out: Mapping[str, Any] | None = None,
    slices: Sequence[str] = (),
    **options: Any,
) -> dict[str, Any]:
    """Return the report of a window of columns that hold the event time; rows outside the window are left out.

    With `actual`, labels became known an hour after the event.
    """
    zone = signature[str(signature.event_time)].timezone or "UTC"
    window = parse_window(first, last, zone=ZoneInfo(zone))
    local = to_local(columns[str(signature.event_time)], zone)
    days = (local.astype("datetime64[D]") - np.datetime64(first)).astype(np.int64)
    inside = (days >= 0) & (days < len(window.days))
    columns, scores, days = {name: values[inside] for name, values in columns.items()}, scores[inside], days[inside]
    outcomes = np.full(len(scores), np.nan) if actual is None else actual[inside].astype(float)
    chosen, measured = plan(window, reference.periods), measure(columns, signature)
    collector = Collector(signature, reference, chosen, read_relations(relations, signature))
    collector.add(columns, measured, days)
    fields = []
    for name, each in reference.fields.items():
        if each.role in ("input", "given"):
            counts = FieldCounts(name, each, chosen)
            counts.add(*_given(name, measured, Grouping(days, chosen.number), reference))
            fields.append(counts.compared())
    prediction = FieldCounts("probability", reference.fields["probability"], chosen)
    prediction.add(scores, days)
    at = pd.to_datetime(columns[str(signature.event_time)]).tz_localize("UTC")
    known_at = (at + pd.Timedelta(hours=1)).where(~np.isnan(outcomes), pd.NaT)
    frame = pd.DataFrame({"event_time": at, "predicted": scores, "actual": outcomes, "actual_time": known_at, "mode": "batch", "version": "abc"})  # fmt: skip
    codes = InputCodes({name: each for name, each in reference.fields.items() if each.role == "input"})
    frame, inputs = codes.take_from(frame.assign(**codes.encode(measured), **{name: columns[name] for name in slices}))
    observed = Observed(
        "shops", "abc", "probability", frame, fields, prediction.compared(), has_effect=has_effect,
        collected=collector.collected(), held_out=held_out, slices=slices, inputs=inputs,
        pairs=Pairs(reference.pairs or {}, reference.fields["probability"].rows),
    )  # fmt: skip
    return build_report(observed, window, **options)


def findings(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the verdict of each warning and alert on data, by field or check."""
    return {name: record["verdict"] for name, record in finding_records(report).items()}


def finding_records(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return each warning and alert on data, by field, or the subject of a check."""
    named = [(record["field"], record) for record in (*report["drift"], *report["given"])]
    named += [(record["subject"] if record["check"] == "relation" else record["check"], record) for record in report["data"]]  # fmt: skip
    named += [("predictions", report["prediction_drift"]), ("unseen", report["unseen"])]
    return {name: record for name, record in named if record["verdict"] in ("warning", "alert")}


def alarms(report: Mapping[str, Any]) -> list[str]:
    """Return the reasons of all warnings and alerts of a report."""
    return [one["reason"] for one in report["reasons"] if one["verdict"] in ("warning", "alert")]
