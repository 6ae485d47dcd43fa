"""What nbship keeps, nbship forgets: the log, the files of batch runs, and the results that a service looks up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ..model.signature import Signature
from ..prediction_log import SqlLog, belongs_to
from .batch import forget_rows, remove_files

__all__ = ["forget_person", "prune_before"]


def forget_person(log: SqlLog, signature: Signature, fields: Mapping[str, str], *, state: Path) -> int:
    """Delete what nbship keeps about a person; return the number of deleted records and rows.

    Parameters
    ----------
    fields
        Name of an input -> its value as text.
    state
        The folder with the files of batch runs.

    Raises
    ------
    InvalidInputError
        If a value does not fit its field.
    LogError
        If the log cannot be written.
    """
    is_theirs = belongs_to(signature, fields, salt=log.salt)
    # Records last: after an error, the next call finds what is left by the same values.
    rows = forget_rows(log, state / "batches", is_theirs, signature=signature)
    _forget_results(state / "results", is_theirs)
    return rows + log.forget(is_theirs)


def prune_before(log: SqlLog, before: datetime, *, state: Path) -> int:
    """Delete the entries of the log from before a time, and the kept files of those batch runs; return their number."""
    remove_files(log, state / "batches", before)
    return log.prune(before)


def _forget_results(folder: Path, is_theirs: Callable[[Mapping[str, Any]], bool]) -> None:
    """Delete the indexes with a key of the person; the next start of a service makes them from the output again."""
    for path in folder.glob("*.sqlite"):
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = any(is_theirs(msgspec.json.decode(key)) for (key,) in connection.execute("SELECT key FROM answers"))
        if found:
            path.unlink()
