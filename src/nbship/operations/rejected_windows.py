"""Why the last fetch of a window did not succeed, in the state folder of the project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from ..data.sources import DataWindow
from ..errors import DataError, EmptyDataError, SourceDownError

__all__ = ["forget_rejection", "read_rejections", "record_rejection"]

_SUFFIX = ".rejected.json"


def record_rejection(folder: Path, window: DataWindow, error: DataError, instant: datetime) -> None:
    """Store why a window was not accepted."""
    content = {
        "from": str(window.first),
        "to": str(window.to),
        "time": instant.isoformat(timespec="seconds"),
        "problem": _problem(error),
        "reason": str(error),
    }
    write_whole(folder / f"{window.name}{_SUFFIX}", json.dumps(content), mode=0o600)


def forget_rejection(folder: Path, window: DataWindow) -> None:
    """Delete the reason: the window is accepted now."""
    (folder / f"{window.name}{_SUFFIX}").unlink(missing_ok=True)


def read_rejections(folder: Path) -> list[Mapping[str, Any]]:
    """Return what is stored of the windows of a source, the first day first."""
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with suppress(OSError, ValueError):
            found.append(json.loads(path.read_bytes()))
    return found


def _problem(error: DataError) -> str:
    kinds: list[tuple[type[DataError], str]] = [(SourceDownError, "down"), (EmptyDataError, "empty")]
    words = next((word for kind, word in kinds if isinstance(error, kind)), "source")
    return str(getattr(error, "problem", words))
