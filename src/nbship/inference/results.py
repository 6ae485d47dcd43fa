"""What a batch run gave, found by key: predictions that were made before anybody asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from ..errors import InputFailure, InvalidInputError, SourceError
from ..model.signature import Signature
from ..prediction_log import BatchRun, PredictionLog, as_json, digest_of, keys_of, keys_of_frame, output_fields
from ..predictor import Package
from ..tabular import read_chunks
from .feedback import wrong_key

__all__ = ["Results", "open_results"]


class Results:
    """The rows of one batch run, by their key columns.

    Attributes
    ----------
    run
        As the log has it.
    """

    def __init__(self, index: Path, run: BatchRun, *, signature: Signature, salt: bytes) -> None:
        self.run = run
        self._signature, self._salt = signature, salt
        self._index = sqlite3.connect(f"file:{index}?mode=ro&immutable=1", uri=True, check_same_thread=False)

    def find(self, keys: Sequence[Any]) -> list[dict[str, Any] | None]:
        """Return for each key, an object with the key columns, what a client gets; None where the run had no such row.

        Raises
        ------
        InvalidInputError
            If a key is wrong.
        """
        failures = [
            InputFailure(place, field, reason)
            for place, key in enumerate(keys)
            for field, reason in wrong_key(key, self._signature)
        ]
        if failures:
            raise InvalidInputError(failures)
        return [self._find(key) for key in keys]

    def _find(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        text = keys_of(key, self._signature, salt=self._salt)
        row = self._index.execute("SELECT answer FROM answers WHERE key = ?", (text,)).fetchone()
        if row is None:
            return None
        answer: dict[str, Any] = msgspec.json.decode(row[0])
        about = {"id": answer.pop("prediction_id"), "model": self.run.model, "version": self.run.version}
        return {**about, **answer}

    def close(self) -> None:
        """Close the index."""
        self._index.close()


def open_results(output: Path, *, package: Package, log: PredictionLog, folder: Path) -> Results:
    """Open the output of a batch run for finding by key; its index is made in `folder` the first time.

    Raises
    ------
    SourceError
        If the model has no key columns, or the file is not the output of a run of this package that the log knows.
    """
    signature = package.signature
    if not signature.keys:
        raise SourceError("The model has no key columns, so its results cannot be found by key.")
    if not output.is_file():
        raise SourceError(f"There is no file '{output}'. Name the output of `nbship predict`.")
    digest = digest_of(output)
    run = next((run for run in log.batches() if run.output_digest == digest), None)
    if run is None or run.digest != package.id.digest:
        made = "version " + run.version + " made it" if run else "the log knows no run that made it"
        raise SourceError(
            f"'{output}' is not of version {package.id.version}: {made}. Run `nbship predict` with this package."
        )
    index = folder / f"{digest}.sqlite"
    if not index.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _build(index, output, signature, log.salt)
    return Results(index, run, signature=signature, salt=log.salt)


def _build(index: Path, output: Path, signature: Signature, salt: bytes) -> None:
    draft = index.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
        for chunk in read_chunks(output, output_fields(signature)):
            keys = keys_of_frame(chunk.frame, signature, salt=salt)
            told = chunk.frame[["prediction_id", *signature.answers]]
            rows = (
                dict(zip(told, row, strict=True)) for row in zip(*(told[name].tolist() for name in told), strict=True)
            )
            # Of a key that is there twice, the last row counts.
            connection.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", zip(keys, map(as_json, rows), strict=True)
            )
        connection.commit()
    draft.replace(index)
