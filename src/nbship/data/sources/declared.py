"""A declared source: its settings in `nbship.yaml`, with the references to environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from ...errors import SourceError
from ...project import REFERENCE, ColumnSection, Project, SourceSection, is_url, shown_url
from ...text import did_you_mean
from .windows import DataWindow

__all__ = ["DeclaredSource", "declared_source"]

_FORMATS: Mapping[str, Literal["csv", "jsonl", "parquet"]] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
}  # fmt: skip


@dataclass(frozen=True)
class DeclaredSource:
    """A source of `nbship.yaml`.

    Attributes
    ----------
    root
        The folder at which relative paths start.
    zone
        The time zone of windows.
    """

    name: str
    settings: SourceSection
    root: Path
    zone: ZoneInfo

    @property
    def key(self) -> str:
        """Its key in `nbship.yaml`, for messages."""
        return f"data.sources.{self.name}"

    @property
    def local_zone(self) -> ZoneInfo:
        """The zone of timestamps without an offset."""
        return ZoneInfo(self.settings.timezone) if self.settings.timezone else self.zone

    @cached_property
    def columns(self) -> Mapping[str, ColumnSection]:
        """The declared columns, each with its expectations."""
        return {
            name: ColumnSection(column) if isinstance(column, str) else column
            for name, column in self.settings.columns.items()
        }

    def url(self, window: DataWindow) -> str:
        """Return the URL or path of a window, with the values of environment variables.

        Raises
        ------
        SourceError
            If a variable is not set.
        """
        url = self.settings.url.replace("{from}", str(window.first)).replace("{to}", str(window.to))
        # Within a URL, a value is a part of it: @ and / in a password are escaped.
        is_whole = REFERENCE.fullmatch(url) is not None
        return self._filled(url, escape=not is_whole and is_url(url))

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of an HTTP request, with the values of environment variables."""
        return {name: self._filled(value, escape=False) for name, value in self.settings.headers.items()}

    def kind(self, url: str) -> Literal["file", "http", "database"]:
        """Return what a URL leads to."""
        if url.startswith(("http://", "https://")):
            return "http"
        return "database" if is_url(url) else "file"

    def format(self, path: str) -> Literal["csv", "jsonl", "parquet"]:
        """Return the format of a file: as declared, or by its suffix.

        Raises
        ------
        SourceError
            If neither names one.
        """
        if self.settings.format:
            return self.settings.format
        suffix = Path(re.sub(r"\.gz$", "", urlsplit(path).path if "://" in path else path)).suffix.lower()
        if suffix not in _FORMATS:
            raise SourceError(
                f"The source '{self.name}' has no known suffix, and no format. Declare it: `format: csv` below '{self.key}' (or jsonl, parquet)."
            )
        return _FORMATS[suffix]

    def shown(self, url: str) -> str:
        """Return a URL without credentials and options; a path as it is."""
        return shown_url(url) if is_url(url) else url

    def _filled(self, text: str, *, escape: bool) -> str:
        def value(found: re.Match[str]) -> str:
            given = os.environ.get(found[1])
            if not given:
                raise SourceError(
                    f"The source '{self.name}' needs the environment variable '{found[1]}', which is not set. Set it, or correct '{self.key}'."
                )
            return quote(given, safe="") if escape else given

        return REFERENCE.sub(value, text)


def declared_source(project: Project, name: str, *, files: Path | None = None) -> DeclaredSource:
    """Return a source of a project.

    Parameters
    ----------
    files
        The folder at which relative paths start (default: the project).

    Raises
    ------
    SourceError
        If the project has no source of this name.
    """
    sources = project.settings.data.sources
    if name not in sources:
        known = f"It has: {', '.join(sorted(sources))}." if sources else "Add it below 'data.sources' in nbship.yaml."
        raise SourceError(f"The project has no source '{name}'. {did_you_mean(name, sources, otherwise=known)}")
    return DeclaredSource(name, sources[name], files or project.root, project.timezone)
