"""What a batch reads: one file, or all files of a folder or a pattern as one table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from glob import glob, has_magic
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from ..errors import SourceError
from .csv_blocks import is_encoding
from .csv_dialects import CsvOptions
from .formats import INPUT_SUFFIXES, Kind, find_format
from .parquet_tables import group_sizes

__all__ = ["Source", "digest_of"]


@dataclass(frozen=True)
class Source:
    """Files of one kind that are read as one table.

    Attributes
    ----------
    path
        A file, a folder (with its subfolders; names that begin with `_` or `.` are left out, as Spark does), or a
        pattern such as `july/*.parquet`.
    csv
        What is declared about CSV files.
    name
        What messages call it, if not by its path.

    >>> str(Source(Path("/data/july.csv"), CsvOptions(separator=";", nulls=("NA",))))
    'file:///data/july.csv?separator=%3B&null=NA'
    >>> Source.parse("file:///data/july.csv?separator=%3B").csv.separator, str(Source.parse("/data/july.csv"))
    (';', '/data/july.csv')
    """

    path: Path
    csv: CsvOptions = field(default_factory=CsvOptions)
    name: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        separator, encoding = self.csv.separator, self.csv.encoding
        if separator is not None and (len(separator) != 1 or not separator.isascii() or separator in '"\r\n'):
            raise SourceError(f"The separator '{separator}' is not supported. Give one ASCII character, or a tab.")
        if encoding is not None and not is_encoding(encoding):
            raise SourceError(
                f"The encoding '{encoding}' is not supported. Give one such as latin-1, cp1252 or utf-16."
            )

    @classmethod
    def parse(cls, text: str) -> Source:
        """Return the source whose string this is."""
        if not text.startswith("file:"):
            return cls(Path(text))
        parts = urlsplit(text)
        given = parse_qs(parts.query, keep_blank_values=True)
        separator, encoding = (given.get(name, [None])[0] for name in ("separator", "encoding"))
        return cls(
            Path(unquote(parts.path)), CsvOptions(separator, encoding, tuple(given.get("null", ())), "escaped" in given)
        )

    def __str__(self) -> str:
        """Return the absolute path; if something is declared, as a URL."""
        path = self.path.absolute()
        return f"{path.as_uri()}?{self.declared}" if self.declared else str(path)

    def shown(self, file: Path | None = None) -> str:
        """Return what messages call the source, or one of its files."""
        return self.name or str(file or self.path)

    @property
    def declared(self) -> str:
        """What is declared, as the query of a URL; empty if nothing is."""
        given = {
            "separator": self.csv.separator,
            "encoding": self.csv.encoding,
            "null": self.csv.nulls,
            "escaped": self.csv.escaped and "formulas",
        }
        return urlencode({name: value for name, value in given.items() if value}, doseq=True)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files, in the order in which they are read.

        Raises
        ------
        SourceError
            If there is none, or their kinds differ.
        """
        if self.path.is_file():
            return (self.path,)
        if self.path.is_dir():
            files = _data_files(self.path.rglob("*"), self.path)
        elif has_magic(str(self.path)):
            files = _data_files(map(Path, glob(str(self.path), recursive=True)), None)  # noqa: PTH207 - the pattern may be absolute
        elif self.path.exists():
            raise SourceError(f"'{self.path}' is neither a file nor a folder. Pass - as SOURCE, and redirect it to standard input.")  # fmt: skip
        else:
            find_format(self.path)
            raise SourceError(f"There is no file '{self.path}'. Check the path.")
        if not files:
            raise SourceError(f"'{self.path}' holds no data files. Their suffixes are {', '.join(INPUT_SUFFIXES)}.")
        kinds = {find_format(file).kind: file for file in files}
        if len(kinds) > 1:
            first, second, *_ = kinds.values()
            raise SourceError(f"'{first}' and '{second}' are of different formats. Give files of one format.")
        return tuple(files)

    @property
    def kind(self) -> Kind:
        """The kind of all files."""
        return find_format(self.files[0]).kind

    @cached_property
    def group_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Of Parquet: the numbers of rows of each file's row groups."""
        return tuple(tuple(group_sizes(file)) for file in self.files)

    def digest(self) -> str:
        """Return the SHA-256 of the file; of several files, of their names and digests."""
        if self.files == (self.path,):
            return digest_of(self.path)
        root = self.path if self.path.is_dir() else None
        lines = [f"{file.relative_to(root) if root else file.name}\0{digest_of(file)}\n" for file in self.files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def stats(self) -> tuple[tuple[int, ...], ...]:
        """Return what changes when a file changes: inode, size and timestamps of each file."""
        found = [file.stat() for file in Source(self.path).files]
        return tuple((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in found)


def _data_files(paths: Iterable[Path], root: Path | None) -> list[Path]:
    """Return the files among paths that hold data, sorted."""
    names = {path: path.relative_to(root).parts if root else (path.name,) for path in paths if path.is_file()}
    shown = [path for path, parts in names.items() if not any(part.startswith(("_", ".")) for part in parts)]
    # A folder may hold other files, such as a readme; a pattern names what it means.
    return sorted(path for path in shown if root is None or _is_data(path))


def _is_data(path: Path) -> bool:
    try:
        find_format(path)
    except SourceError:
        return False
    return path.suffix.lower() != ".txt"


def digest_of(path: Path | str) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
