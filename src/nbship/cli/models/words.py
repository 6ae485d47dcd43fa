"""How versions, aliases and times are printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ...text import counted

if TYPE_CHECKING:
    from ...registry import Event, GateReport, History, Registry, Version

__all__ = [
    "as_json",
    "event_json",
    "figures",
    "gate_word",
    "lines_of",
    "number",
    "plain",
    "table",
    "time_text",
    "when_fetched",
]

_USUAL = ("auc", "mae", "rmse", "r2", "brier", "log_loss", "calibration_error", "accuracy")


def time_text(time: datetime, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """Return a time in the project's zone, with the zone's short name."""
    return f"{time.astimezone(zone):{'%Y-%m-%d %H:%M:%S %Z' if seconds else '%Y-%m-%d %H:%M %Z'}}"


def number(value: Any) -> str:
    """Return a number with four digits after the point, or a shorter one, or another value as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{int(value):,}" if float(value).is_integer() else f"{value:.4g}"


def figures(metrics: Mapping[str, float], *, most: int = 4) -> str:
    """Return metrics in one line, the usual ones first."""
    names = [*(name for name in _USUAL if name in metrics), *(name for name in metrics if name not in _USUAL)]
    return ", ".join(f"{name} {number(metrics[name])}" for name in names[:most])


def gate_word(gate: GateReport | None) -> str:
    """Return the verdict of a gate in a word; that there was none is in capitals."""
    return "unknown" if gate is None else "NO GATE" if gate.verdict == "none" else gate.verdict


def plain(text: str) -> str:
    """Return a text of another person in one line, without characters that control a terminal."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as their widest value; the last one is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{value:<{width}}" for value, width in zip(row, widths, strict=True)).rstrip()


def when_fetched(registry: Registry) -> Iterator[str]:
    """Yield a line that says how old the knowledge of the remote is, if there is one; or that the tags may be missing."""
    remote = bool(registry.git.attempt("remote").stdout.strip())
    if registry.git.is_shallow and not registry.histories:
        yield "This is a shallow clone, which may lack the tags. --fetch asks the remote for them."
    elif remote:
        fetched = registry.fetched
        if fetched is None:
            yield "As this clone has it, not fetched since it was cloned. --fetch asks the remote."
        elif datetime.now(UTC) - fetched > timedelta(seconds=90):
            yield f"As this clone has it, {_age(datetime.now(UTC) - fetched)} after the last fetch. --fetch asks the remote."


def _age(age: timedelta) -> str:
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if age.total_seconds() >= seconds:
            return counted(int(age.total_seconds() // seconds), unit)
    return "a minute"


def as_json(history: History, version: Version) -> dict[str, Any]:
    """Return a version as plain values."""
    import msgspec

    return {
        "model": version.model,
        "version": version.name,
        "aliases": history.aliases(version),
        "archived": version.archived is not None,
        "commit": version.commit,
        "tag": version.registered.tag,
        "package": msgspec.to_builtins(version.package),
        "gate": msgspec.to_builtins(version.gate),
        "metrics": dict(version.metrics),
        **event_json(version.registered),
    }


def event_json(event: Event) -> dict[str, Any]:
    """Return who, when and why of a tag."""
    return {"who": event.who, "email": event.email, "time": event.time.isoformat(), "why": event.why}


def lines_of(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield lines with a name and a value; empty values are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        yield f"  {name:<{width}}  {value}"
