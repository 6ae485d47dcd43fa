"""Read a source in a process of its own, with a deadline for each step: whatever hangs is ended."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ... import errors
from ...errors import DataError, SourceDownError, SourceError
from ...text import first_line
from ..sources import DataWindow, DeclaredSource
from .facts import Facts
from .worker import Request

__all__ = ["read_in_process"]

_COMMAND = (sys.executable, "-P", "-m", "nbship.data.windows.worker")
# For imports, on a busy machine.
_START_SECONDS = 60.0


def read_in_process(source: DeclaredSource, window: DataWindow, folder: Path) -> Facts:
    """Read a window of a source into a folder: `window.parquet` and `quarantine.parquet`.

    Raises
    ------
    SourceDownError
        If the source does not respond in time.
    DataError
        If it cannot be read as declared.
    """
    request = Request(
        source.name, source.settings, str(source.root), source.zone.key, str(window.first), str(window.to), str(folder)
    )
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, bufsize=0)
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(msgspec.json.encode(request) + b"\n")
            last = _follow(source, process)
            if last is None:
                process.wait()
        finally:
            process.kill()
            process.communicate()
        if last is None:
            output.seek(0)
            raise _crashed(source, process.returncode, output.read().decode(errors="replace"))
    return _facts(last)


def _follow(source: DeclaredSource, process: subprocess.Popen[bytes]) -> Mapping[str, Any] | None:
    """Return the outcome of the process; None if it ended without one."""
    settings = source.settings
    end = time.monotonic() + _START_SECONDS + settings.total_seconds
    limits = {"starting": _START_SECONDS, "connecting": settings.connect_seconds, "reading": settings.read_seconds}
    assert process.stdout is not None
    handle, rest, step = process.stdout.fileno(), b"", "starting"
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while True:
            left = max(0.0, end - time.monotonic())
            limit = limits.get(step, left)
            if not selector.select(min(limit, left)):
                raise _late(source, step, is_total=left <= limit)
            data = os.read(handle, 1 << 16)
            if not data:
                return None
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(b"{"):
                    outcome: Mapping[str, Any] = json.loads(line)
                    return outcome
                if step == "starting":
                    end = time.monotonic() + settings.total_seconds
                step = line.decode()


def _late(source: DeclaredSource, step: str, *, is_total: bool) -> SourceDownError:
    settings, key = source.settings, source.key
    if is_total:
        return SourceDownError(
            f"The source '{source.name}' is too slow: it was not read within {settings.total_seconds:g} s. Raise '{key}.total_seconds', or read shorter windows."
        )
    if step == "reading":
        return SourceDownError(
            f"The source '{source.name}' is down: it sent nothing for {settings.read_seconds:g} s. Check it, or raise '{key}.read_seconds'."
        )
    return SourceDownError(
        f"The source '{source.name}' is down: it did not respond within {settings.connect_seconds:g} s. Check that it is running and '{key}.url', or raise '{key}.connect_seconds'."
    )


def _crashed(source: DeclaredSource, code: int, output: str) -> SourceError:
    if code < 0:
        return SourceError(
            f"The source '{source.name}' cannot be read: its reader was ended by signal {-code}, for lack of memory perhaps. Read shorter windows."
        )
    # The message may quote a row.
    lines = output.strip().splitlines()
    reason = first_line(lines[-1].partition(":")[0] if lines else f"exit code {code}", most=80)
    return SourceError(
        f"The source '{source.name}' cannot be read: its reader failed ({reason}). This is a bug in nbship: report it."
    )


def _facts(outcome: Mapping[str, Any]) -> Facts:
    if "facts" in outcome:
        return msgspec.convert(outcome["facts"], Facts)
    known = {"problem", "passing"}
    details = {name: value for name, value in outcome.items() if name in known}
    kind: type[DataError] = getattr(errors, outcome["error"])
    raise kind(outcome["message"], **details)
