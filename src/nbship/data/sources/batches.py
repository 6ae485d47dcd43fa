"""Rows as a source gives them: strings or Arrow's types, with the number of each row for messages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ...errors import WindowError
from ...text import counted, listed, nearest
from .declared import DeclaredSource

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROWS", "Batch", "Reader", "incomplete", "missing_columns"]

# Rows of a batch: they bound the memory.
ROWS = 50_000


@dataclass(frozen=True)
class Batch:
    """Consecutive rows.

    Attributes
    ----------
    table
        The declared columns. Strings are parsed by what is declared; other types are converted.
    numbers
        The number of each row: its line in a text file, or its position from 1.
    unreadable
        For rows that cannot be read, by their position in the batch: the expectation that they break.
    file
        The file, of a source that has several.
    """

    table: pa.Table
    numbers: Sequence[int]
    unreadable: Mapping[int, str] = field(default_factory=dict)
    file: str = ""


class Reader(Protocol):
    """Reads the rows of a source, in batches of bounded size.

    Attributes
    ----------
    unit
        What a row's number counts: "line" or "row".
    """

    unit: str

    def __iter__(self) -> Iterator[Batch]: ...


def missing_columns(source: DeclaredSource, found: Collection[str], *, shown: str) -> WindowError | None:
    """Return the error for declared columns that a source does not have; None if all are there.

    A new column with a similar name has probably been renamed.
    """
    missing = [name for name in source.columns if name not in found]
    if not missing:
        return None
    new = [name for name in found if name not in source.columns]
    near = nearest(missing[0], new) or (new[0] if len(new) == len(missing) == 1 else None)
    hint = (
        f"If it was renamed to '{near}', correct '{source.key}.columns'."
        if near
        else f"It has {counted(len(found), 'column')}: {listed(found, most=6, quoted=True)}. Correct the source, or '{source.key}.columns'."
    )
    return WindowError(
        f"The source '{source.name}' has no column {listed(missing, most=3, quoted=True)} in '{shown}'. {hint}",
        problem="columns",
    )


def incomplete(source: DeclaredSource, shown: str, how: str) -> WindowError:
    """Return the error for a file that ends early."""
    return WindowError(
        f"The source '{source.name}' is cut off: '{shown}' is not complete: {how}. Write it under another name, and rename it when it is complete.",
        problem="incomplete",
    )
