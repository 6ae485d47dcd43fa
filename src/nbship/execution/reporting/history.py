"""Past runs of stages, with their duration and memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ...pipeline import is_here
from ...run_records import RunRecord

__all__ = ["describe_runs", "last_runs", "run_elsewhere"]

_HEAD = ("stage", "when (UTC)", "outcome", "wall", "CPU", "memory", "platform")


def last_runs(records: Iterable[RunRecord]) -> Mapping[str, RunRecord]:
    """Return the last record of each stage, in the order of their first runs."""
    return {record.stage: record for record in records}


def run_elsewhere(records: Iterable[RunRecord]) -> Mapping[str, str]:
    """Return the stages whose last successful run was on another platform, with that platform."""
    done = last_runs(record for record in records if record.outcome == "done")
    return {name: record.platform for name, record in done.items() if not is_here(record.platform)}


def describe_runs(records: Iterable[RunRecord]) -> str:
    """Return the records as a table for a terminal, one line each."""
    rows = [_HEAD, *map(_row, records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(record: RunRecord) -> tuple[str, ...]:
    return (
        record.stage,
        _start_time(record.started),
        record.outcome,
        f"{record.seconds:.1f} s",
        "-" if record.cpu_seconds is None else f"{record.cpu_seconds:.1f} s",
        "-" if record.peak_memory is None else f"{record.peak_memory / 1e6:.0f} MB",
        record.platform,
    )


def _start_time(started: str) -> str:
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return started
