"""Look up the predictions of a batch run by key."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from ..atomic_write import replacing
from ..errors import InputFailure, InvalidInputError, SourceError
from ..model.signature import Signature
from ..prediction_log import BatchRun, PredictionLog, as_json, digest_of, keys_of, keys_of_frame, output_fields
from ..predictor import Package
from ..tabular import Source, read_chunks
from .feedback import wrong_key

__all__ = ["Results", "open_results"]


class Results:
    """The rows of a batch run, indexed by their key columns.

    Attributes
    ----------
    run
        The record of the batch run.
    """

    def __init__(self, index: Path, run: BatchRun, *, signature: Signature, salt: bytes) -> None:
        self.run = run
        self._signature, self._salt = signature, salt
        # An index never changes once it is complete, so SQLite needs no locks.
        self._index = sqlite3.connect(f"file:{index}?mode=ro&immutable=1", uri=True, check_same_thread=False)

    def find(self, keys: Sequence[Any]) -> list[dict[str, Any] | None]:
        """Return the response for each key; None if the run has no such row.

        Parameters
        ----------
        keys
            Objects with the key columns.

        Raises
        ------
        InvalidInputError
            If a key is invalid.
        """
        failures = [
            InputFailure(number, field, reason)
            for number, key in enumerate(keys)
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
        outputs: dict[str, Any] = msgspec.json.decode(row[0])
        about = {"id": outputs.pop("prediction_id"), "model": self.run.model, "version": self.run.version}
        return {**about, **outputs}

    def close(self) -> None:
        """Close the index."""
        self._index.close()


def open_results(output: Path, *, package: Package, log: PredictionLog, folder: Path) -> Results:
    """Open the output of a batch run for look-up by key; an index is created in `folder` the first time.

    Raises
    ------
    SourceError
        If the model has no key columns, or the log has no run of this package with this output.
    """
    signature = package.signature
    if not signature.keys:
        raise SourceError(
            "The model has no key columns, so its results cannot be looked up by key. Add key columns to its signature, or remove 'serving.results'."
        )
    if not output.is_file():
        raise SourceError(f"There is no file '{output}'. Set 'serving.results' to an output of 'nbship predict'.")
    digest = digest_of(output)
    run = next((run for run in log.batches() if run.output_digest == digest), None)
    if run is None or run.digest != package.id.digest:
        reason = f"version {run.version} wrote it" if run else "the prediction log has no batch run with this output"
        raise SourceError(
            f"'{output}' was not written by version {package.id.version}: {reason}. Run 'nbship predict' with this package."
        )
    index = folder / f"{digest}.sqlite"
    if not index.is_file():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _build(index, Source(output, Source.parse(run.output_path).csv), signature, log.salt)
    return Results(index, run, signature=signature, salt=log.salt)


def _build(index: Path, output: Source, signature: Signature, salt: bytes) -> None:
    with replacing(index, private=True) as temporary, closing(sqlite3.connect(temporary)) as connection:
        connection.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
        for chunk in read_chunks(output, output_fields(signature, str(output))):
            keys = keys_of_frame(chunk.frame, signature, salt=salt)
            frame = chunk.frame[["prediction_id", *signature.output_columns]]
            columns = (frame[name].tolist() for name in frame)
            rows = (dict(zip(frame, row, strict=True)) for row in zip(*columns, strict=True))
            # A key may occur in several rows: the last row replaces the others.
            connection.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", zip(keys, map(as_json, rows), strict=True)
            )
        connection.commit()
