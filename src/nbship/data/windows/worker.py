"""The process that reads a source, so that whatever hangs in it can be ended, and what it connects to can be limited.

The request comes as JSON on standard input, which stays open: its end means that the reader is not needed any more. Lines
of standard output are the progress; the last one is the outcome::

    connecting        limited by connect_seconds
    reading           then a line for what arrives: limited by read_seconds each
    sorting           limited by total_seconds alone, as everything is
    {"facts": …} or {"error": "SourceError", "message": …, …}

Run as `python -m nbship.data.windows.worker`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import msgspec

from ...errors import DataError
from ...project import SourceSection
from ..sources import Batch, DataWindow, DeclaredSource, Reader, open_reader, parse_days
from .canonical import write_canonical
from .facts import Facts
from .reading import read_window

__all__ = ["Request", "read_source"]


class Request(msgspec.Struct, frozen=True):
    """What the process is given."""

    name: str
    settings: SourceSection
    root: str
    zone: str
    first: str
    to: str
    folder: str


def read_source(
    source: DeclaredSource, window: DataWindow, folder: Path, *, tell: Callable[[str], None] = lambda _: None
) -> Facts:
    """Read a window of a source into a folder: `window.parquet` and `quarantine.parquet`.

    Raises
    ------
    DataError
        If the source cannot be read as declared.
    """
    _import_libraries(source.kind(source.url(window)))
    tell("connecting")
    reader = _Telling(open_reader(source, window, folder, on_progress=lambda: tell("reading")), tell)
    facts = read_window(source, window, reader, folder)
    tell("sorting")
    return write_canonical(source, facts, folder)


def _import_libraries(kind: str) -> None:
    """Import what connecting needs, which takes time that is not the source's."""
    names = {"database": ("sqlalchemy", "psycopg", "duckdb"), "http": ("urllib3",)}
    for name in names.get(kind, ()):
        with suppress(ImportError):
            importlib.import_module(name)


class _Telling:
    """A reader that reports each batch."""

    def __init__(self, reader: Reader, tell: Callable[[str], None]) -> None:
        self.unit, self._reader, self._tell = reader.unit, reader, tell

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._reader:
            self._tell("reading")
            yield batch


def _main() -> None:
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    Thread(target=_end_with_parent, daemon=True).start()
    zone = ZoneInfo(request.zone)
    source = DeclaredSource(request.name, request.settings, Path(request.root), zone)
    window = parse_days(request.first, request.to, zone=zone)
    try:
        facts = read_source(source, window, Path(request.folder), tell=_tell)
    except DataError as error:
        outcome = {"error": type(error).__name__, "message": str(error), **vars(error)}
        _tell(json.dumps(outcome, default=list))
    else:
        _tell(json.dumps({"facts": msgspec.to_builtins(facts)}))


def _tell(line: str) -> None:
    print(line, flush=True)


def _end_with_parent() -> None:
    # Not through `sys.stdin`, whose lock the interpreter needs when it ends.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    _main()
