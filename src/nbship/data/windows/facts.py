"""What was found when a window was read: counts, and for each broken expectation the first row that breaks it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["FILE_NUMBERS", "Facts", "Failure"]

# Rows are numbered within their file; those of the next file begin here.
FILE_NUMBERS = 1 << 40


class Failure(msgspec.Struct, frozen=True):
    """A broken expectation.

    Attributes
    ----------
    column
        Empty if the expectation is about whole rows.
    expectation
        A phrase, such as "price is a number".
    rows
        The number of rows that break it.
    first
        The number of the first of them.
    """

    column: str
    expectation: str
    rows: int
    first: int


class Facts(msgspec.Struct, frozen=True):
    """Counts of a window.

    Attributes
    ----------
    unit
        What a row's number counts: "line" or "row".
    files
        The files that numbers are of; empty for a source that is one.
    rows
        The accepted rows of the window.
    outside
        The rows of other windows, which are left out.
    bad
        The quarantined rows, without duplicates.
    duplicates, first_duplicate
        The rows whose key another row has, and the number of the first; without a key, those that equal another row.
    latest
        The time of the last accepted row, in ISO 8601; empty without one.
    formats
        For a column of timestamps: a format that reads all values that are not in the declared one.
    exchanged, first_exchanged
        The number of rows that are in the window with day and month exchanged, 0 if that is not possible; and the first
        of them that is not in it otherwise.
    decimals
        The columns of numbers whose bad values have a comma, where a point is declared, or the reverse.
    """

    unit: str
    rows: int = 0
    outside: int = 0
    bad: int = 0
    duplicates: int = 0
    first_duplicate: int = 0
    latest: str = ""
    failures: list[Failure] = []
    formats: Mapping[str, str] = {}
    exchanged: int = 0
    first_exchanged: int = 0
    decimals: list[str] = []
    files: list[str] = []

    def place(self, number: int) -> str:
        """Return where a row is, for messages.

        >>> Facts("line", files=["1.csv", "2.csv"]).place(FILE_NUMBERS + 170), Facts("row").place(3)
        ("line 170 of '2.csv'", 'row 3')
        """
        file = f" of '{self.files[number // FILE_NUMBERS]}'" if self.files else ""
        return f"{self.unit} {number % FILE_NUMBERS}{file}"
