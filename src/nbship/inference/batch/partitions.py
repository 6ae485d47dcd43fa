"""The parts of a batch run: what is done stays done, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import fcntl
import os
import shutil
from datetime import datetime
from pathlib import Path

import msgspec

from ...errors import SourceError

__all__ = ["Part", "PartFolder", "remove_parts"]


class Part(msgspec.Struct, frozen=True):
    """What became of a part's rows.

    Attributes
    ----------
    start
        The first of them, in the input.
    seen, rows, rejected
        Rows of the input, rows predicted, and rows set aside.
    first, last
        Earliest and latest event time.
    reasons
        Of the first rows set aside: row, field and reason.
    """

    start: int
    seen: int = 0
    rows: int = 0
    rejected: int = 0
    first: datetime | None = None
    last: datetime | None = None
    reasons: tuple[tuple[int | None, str | None, str], ...] = ()


class PartFolder:
    """The folder of a run's parts, beside its output, until it is done.

    Parameters
    ----------
    run
        Made from package and input: the parts of another run are not touched, and not taken.
    """

    def __init__(self, target: Path, run: str) -> None:
        self._path = _path_of(target, run)
        # Arrow's own format costs little to write; Parquet is made once, of all parts.
        self._suffix = ".arrow" if target.suffix == ".parquet" else target.suffix
        self._path.mkdir(exist_ok=True)
        self._lock = (self._path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise SourceError(f"'{target}' is being made by another process. Wait for it to end.") from error

    def output(self, place: int) -> Path:
        """Return the file of a part's predictions."""
        return self._path / f"{place:06d}{self._suffix}"

    def rejected(self, place: int) -> Path:
        """Return the file of a part's rows that were set aside."""
        return self._path / f"{place:06d}.rejected.csv"

    def begin(self, place: int) -> None:
        """Delete what a stopped run left of a part."""
        self.output(place).unlink(missing_ok=True)
        self.rejected(place).unlink(missing_ok=True)

    def finish(self, place: int, part: Part) -> None:
        """Note that a part's files are complete and on the disk; a note is there whole, or not at all."""
        note = self._note(place)
        draft = note.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(part))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(note)
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def done(self, place: int, start: int, rows: int | None = None) -> Part | None:
        """Return what is noted of a part that begins with this row and has so many, and whose files are there."""
        try:
            part = msgspec.json.decode(self._note(place).read_bytes(), type=Part)
        except (OSError, msgspec.DecodeError):
            return None
        lost = (part.rows and not self.output(place).exists()) or (part.rejected and not self.rejected(place).exists())
        other = part.start != start or (rows is not None and part.seen != rows)
        return None if lost or other else part

    def joined(self, name: str) -> Path:
        """Return where a joined file is made."""
        return self._path / name

    def close(self) -> None:
        """Let another process go on with the run."""
        self._lock.close()

    def remove(self) -> None:
        """Delete the folder: the run is done, or not to be gone on with."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _note(self, place: int) -> Path:
        return self._path / f"{place:06d}.json"


def remove_parts(target: Path, run: str) -> None:
    """Delete what a run left that was stopped after its output was there."""
    shutil.rmtree(_path_of(target, run), ignore_errors=True)


def _path_of(target: Path, run: str) -> Path:
    return target.with_name(f".{target.name}.{run}.parts")
