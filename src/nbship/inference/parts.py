"""The parts of a batch run: what is done stays done, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import fcntl
import os
import shutil
from datetime import datetime
from pathlib import Path

import msgspec

from ..errors import SourceError

__all__ = ["Part", "PartFolder", "remove_parts"]


class Part(msgspec.Struct, frozen=True):
    """What became of a part's rows.

    Attributes
    ----------
    seen, rows, rejected
        Rows of the input, rows predicted, and rows set aside.
    first, last
        Earliest and latest event time.
    reasons
        Of the first rows set aside: row, field and reason.
    """

    seen: int
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
        self._suffix = target.suffix
        self.done: list[Part] = []
        self._path.mkdir(exist_ok=True)
        self._lock = (self._path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise SourceError(f"'{target}' is being made by another process. Wait for it to end.") from error
        while (part := self._noted(len(self.done))) is not None:
            self.done.append(part)

    @property
    def seen(self) -> int:
        """Rows of the input that are done."""
        return sum(part.seen for part in self.done)

    def output(self, place: int) -> Path:
        """Return the file of a part's predictions."""
        return self._path / f"{place:06d}{self._suffix}"

    def rejected(self, place: int) -> Path:
        """Return the file of a part's rows that were set aside."""
        return self._path / f"{place:06d}.rejected.csv"

    def begin(self) -> int:
        """Return the number of the next part, whose files are not there."""
        place = len(self.done)
        self.output(place).unlink(missing_ok=True)
        self.rejected(place).unlink(missing_ok=True)
        return place

    def finish(self, part: Part) -> None:
        """Note that a part's files are complete and on the disk; a note is there whole, or not at all."""
        note = self._note(len(self.done))
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
        self.done.append(part)

    def outputs(self) -> list[Path]:
        """Return the files with predictions, in order."""
        return [self.output(place) for place in range(len(self.done)) if self.output(place).exists()]

    def rejects(self) -> list[Path]:
        """Return the files with rows set aside, in order."""
        return [self.rejected(place) for place in range(len(self.done)) if self.rejected(place).exists()]

    def joined(self, name: str) -> Path:
        """Return where a joined file is made."""
        return self._path / name

    def close(self) -> None:
        """Let another process go on with the run."""
        self._lock.close()

    def remove(self) -> None:
        """Delete the folder: the run is done, or not to be gone on with."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _noted(self, place: int) -> Part | None:
        """Return what is noted of a part whose files are there."""
        try:
            part = msgspec.json.decode(self._note(place).read_bytes(), type=Part)
        except (OSError, msgspec.DecodeError):
            return None
        # Of a run that was stopped at its very end, files may have been taken already.
        taken = (part.rows and not self.output(place).exists()) or (part.rejected and not self.rejected(place).exists())
        return None if taken else part

    def _note(self, place: int) -> Path:
        return self._path / f"{place:06d}.json"


def remove_parts(target: Path, run: str) -> None:
    """Delete what a run left that was stopped after its output was there."""
    shutil.rmtree(_path_of(target, run), ignore_errors=True)


def _path_of(target: Path, run: str) -> Path:
    return target.with_name(f".{target.name}.{run}.parts")
