"""Formats of tabular files, by their suffixes in any letter case, and the compressions of text formats."""

from __future__ import annotations

import codecs
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "INPUT_SUFFIXES",
    "OUTPUT_SUFFIXES",
    "Format",
    "Kind",
    "find_format",
    "open_stream",
    "output_kind",
    "sniff_suffix",
]

Kind: TypeAlias = Literal["csv", "json", "jsonl", "parquet"]

_KINDS: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_MARKS = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh"}
_SAMPLE_BYTES = 1 << 20
_OUTPUT_KINDS: dict[str, Kind] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

INPUT_SUFFIXES = tuple(_KINDS)
OUTPUT_SUFFIXES = tuple(_OUTPUT_KINDS)


@dataclass(frozen=True)
class Format:
    """The format of a file.

    Attributes
    ----------
    kind
        "csv" (with any separator), "json" (a list of records), "jsonl" (a record per line) or "parquet".
    compression
        "gzip", "zstd" or "bz2", if a text file is compressed.
    """

    kind: Kind
    compression: str | None = None


def find_format(path: Path) -> Format:
    """Return the format that a file's suffixes name.

    Raises
    ------
    SourceError
        If they name none.

    >>> find_format(Path("JULY.CSV")), find_format(Path("july.ndjson.gz"))
    (Format(kind='csv', compression=None), Format(kind='jsonl', compression='gzip'))
    """
    suffix = path.suffix.lower()
    compression = _COMPRESSIONS.get(suffix)
    kind = _KINDS.get(path.with_suffix("").suffix.lower() if compression else suffix)
    # Parquet compresses its own columns, and is not read from its start.
    if kind is None or (compression and kind == "parquet"):
        raise SourceError(
            f"'{path}' has an unsupported suffix. Use {_listed(INPUT_SUFFIXES)}; text may be compressed: {_listed(tuple(_COMPRESSIONS))}."
        )
    return Format(kind, compression)


def output_kind(path: Path) -> Kind:
    """Return the kind of output that a file's suffix names.

    Raises
    ------
    SourceError
        If it names none.
    """
    kind = _OUTPUT_KINDS.get(path.suffix.lower())
    if kind is None:
        raise SourceError(f"The output '{path}' has an unsupported suffix. Use {_listed(OUTPUT_SUFFIXES)}.")
    return kind


def open_stream(path: Path, compression: str | None) -> pa.NativeFile:
    """Open a file for reading from its start, decompressed."""
    import pyarrow as pa

    return pa.input_stream(str(path), compression=compression)


def _listed(suffixes: tuple[str, ...]) -> str:
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"


def sniff_suffix(path: Path) -> str:
    """Return the suffix of a file's format, found in its first bytes: CSV if they are of no other."""
    with open_stream(path, None) as stream:
        begin = stream.read(4)
    if begin == b"PAR1":
        return ".parquet"
    outer = next((suffix for suffix, mark in _MARKS.items() if begin.startswith(mark)), "")
    sample = b""
    # Of a damaged file, the reader says what is wrong.
    with suppress(OSError), open_stream(path, _COMPRESSIONS.get(outer)) as stream:
        sample = stream.read(_SAMPLE_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()
    if sample.startswith(b"{"):
        # A record per line, or one record on several lines.
        first, _, _ = sample.partition(b"\n")
        return f"{'.jsonl' if first.rstrip().endswith(b'}') else '.json'}{outer}"
    return f"{'.json' if sample.startswith(b'[') else '.csv'}{outer}"
