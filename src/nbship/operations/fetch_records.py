"""What became of the windows of a source, in the state folder: the rows of accepted ones, and why others were rejected.

Accepted windows of a schedule may be on branches that are not merged yet; this folder knows their numbers of rows all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from ..data.sources import DataWindow, parse_days
from ..data.windows import Earlier
from ..errors import DataError, EmptyDataError, NbshipError, SourceDownError

__all__ = ["accepted_before", "read_rejections", "record_accepted", "record_rejection"]

_REJECTED, _ACCEPTED = ".rejected.json", ".accepted.json"


def record_accepted(folder: Path, window: DataWindow, *, rows: int) -> None:
    """Store the number of rows of a window, and forget why it was rejected."""
    content = {"from": str(window.first), "to": str(window.to), "rows": rows}
    write_whole(folder / f"{window.name}{_ACCEPTED}", json.dumps(content), mode=0o600)
    (folder / f"{window.name}{_REJECTED}").unlink(missing_ok=True)


def accepted_before(folder: Path, window: DataWindow) -> list[Earlier]:
    """Return the other windows that were accepted, with their numbers of rows."""
    found = []
    for content in _read(folder, _ACCEPTED):
        with suppress(NbshipError, KeyError, TypeError):
            other = parse_days(content["from"], content["to"], zone=window.zone)
            found.append(Earlier(other, int(content["rows"])))
    return [each for each in found if each.window.name != window.name]


def record_rejection(folder: Path, window: DataWindow, error: DataError, instant: datetime) -> None:
    """Store why a window was not accepted."""
    content = {
        "from": str(window.first),
        "to": str(window.to),
        "time": instant.isoformat(timespec="seconds"),
        "problem": _problem(error),
        "reason": str(error),
    }
    write_whole(folder / f"{window.name}{_REJECTED}", json.dumps(content), mode=0o600)


def read_rejections(folder: Path) -> list[Mapping[str, Any]]:
    """Return why windows were rejected that have not been accepted since, the first day first."""
    return list(_read(folder, _REJECTED))


def _read(folder: Path, suffix: str) -> Iterator[Mapping[str, Any]]:
    for path in sorted(folder.glob(f"*{suffix}")):
        with suppress(OSError, ValueError):
            yield json.loads(path.read_bytes())


def _problem(error: DataError) -> str:
    kinds: list[tuple[type[DataError], str]] = [(SourceDownError, "down"), (EmptyDataError, "empty")]
    words = next((word for kind, word in kinds if isinstance(error, kind)), "source")
    return str(getattr(error, "problem", words))
