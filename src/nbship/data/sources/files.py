"""Files of a source: one, or all that a pattern matches, one after another."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from glob import glob, has_magic
from pathlib import Path
from typing import IO, Any

from ...errors import SourceDownError, SourceError
from .batches import ROWS, Batch, incomplete, missing_columns
from .declared import DeclaredSource
from .delimited import read_csv
from .json_records import read_json_lines

__all__ = ["FileReader", "find_files"]


def find_files(source: DeclaredSource, path: str) -> list[Path]:
    """Return the files of a path or pattern, sorted by name.

    Raises
    ------
    SourceDownError
        If there is none.
    """
    whole = str(source.root / path)
    found = sorted(map(Path, glob(whole, recursive=True))) if has_magic(path) else [Path(whole)]  # noqa: PTH207 - it may be absolute
    files = [each for each in found if each.is_file()]
    if not files:
        what = "no file matches" if has_magic(path) else "there is no file"
        raise SourceDownError(
            f"The source '{source.name}' is down: {what} '{path}'. Check what writes it, or correct '{source.key}.url'.",
            passing=False,
        )
    return files


class FileReader:
    """Reads files of one format. A file that changes while it is read is an error.

    Parameters
    ----------
    shown
        What messages call the file, if not by its path.
    """

    def __init__(self, source: DeclaredSource, files: list[Path], *, format: str, shown: str = "") -> None:
        self._source, self._files, self._format, self._shown = source, files, format, shown
        self.unit = "row" if format == "parquet" else "line"

    def __iter__(self) -> Iterator[Batch]:
        for path in self._files:
            shown = self._shown or _relative(path, self._source.root)
            try:
                before = _stamp(path)
                for batch in self._batches(path, shown):
                    yield replace(batch, file=shown) if len(self._files) > 1 else batch
                after = _stamp(path)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise incomplete(self._source, shown, "its compressed content ends early or is damaged") from error
            except OSError as error:
                reason = error.strerror or str(error)
                raise SourceDownError(
                    f"The source '{self._source.name}' is down: '{shown}' cannot be read ({reason.rstrip('.')}). Check the file and its permissions.",
                    passing=False,
                ) from error
            if after != before:
                raise SourceDownError(
                    f"The source '{self._source.name}' changed: '{shown}' was written while it was read. Write it under another name, and rename it when it is complete."
                )

    def _batches(self, path: Path, shown: str) -> Iterator[Batch]:
        if self._format == "parquet":
            yield from _parquet(path, self._source, shown)
            return
        read = read_csv if self._format == "csv" else read_json_lines
        with _opened(path, self._source, shown) as stream:
            yield from read(stream, self._source, shown=shown)


def _parquet(path: Path, source: DeclaredSource, shown: str) -> Iterator[Batch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if missing := missing_columns(source, file.schema_arrow.names, shown=shown):
                raise missing
            first = 1
            for batch in file.iter_batches(batch_size=ROWS, columns=list(source.columns), use_threads=False):
                yield Batch(pa.Table.from_batches([batch]), range(first, first + batch.num_rows))
                first += batch.num_rows
    except pa.ArrowInvalid as error:
        raise incomplete(source, shown, "Parquet files end with their schema, and this one does not") from error


@contextmanager
def _opened(path: Path, source: DeclaredSource, shown: str) -> Iterator[IO[bytes]]:
    """Open a text file; of a compressed one, the content, up to the limit of bytes."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield file
            return
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as content:
            yield _Limited(content, source, shown)  # type: ignore[misc]


class _Limited(io.RawIOBase):
    """A stream with a limit: a few bytes of a compressed file can expand to any number."""

    def __init__(self, stream: Any, source: DeclaredSource, shown: str) -> None:
        self._stream, self._source, self._shown, self._count = stream, source, shown, 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self._count += len(data)
        if self._count > self._source.settings.max_bytes:
            raise SourceError(
                f"The source '{self._source.name}' is too large: '{self._shown}' has more than {self._source.settings.max_bytes:,} bytes. Raise '{self._source.key}.max_bytes', or read shorter windows."
            )
        return data


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    info = os.stat(path)  # noqa: PTH116 - the fields are all that is needed
    return info.st_ino, info.st_size, info.st_mtime_ns
