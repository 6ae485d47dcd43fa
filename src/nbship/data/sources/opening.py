"""Open the reader of a source, by what its URL leads to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .batches import Reader
from .databases import DatabaseReader
from .declared import DeclaredSource
from .downloads import download
from .files import FileReader, find_files
from .windows import DataWindow

__all__ = ["open_reader"]


def open_reader(
    source: DeclaredSource, window: DataWindow, folder: Path, *, on_progress: Callable[[], None] = lambda: None
) -> Reader:
    """Return the reader of a window; of HTTP, the response is saved in a folder first.

    Raises
    ------
    SourceError
        If the source cannot be reached, or its format is not known.
    """
    url = source.url(window)
    match source.kind(url):
        case "database":
            return DatabaseReader(source, url, window, on_progress=on_progress)
        case "http":
            path, format = folder / "response", source.format(url)
            download(source, url, path, on_progress=on_progress)
            return FileReader(source, [path], format=format, shown=source.shown(url))
    return FileReader(source, find_files(source, url), format=source.format(url))
