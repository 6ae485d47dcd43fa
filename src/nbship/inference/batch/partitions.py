"""The partitions of a batch run, stored as they are finished, so that a stopped run resumes."""

from __future__ import annotations

import fcntl
import shutil
from datetime import datetime
from pathlib import Path

import msgspec

from ...atomic_write import write_whole
from ...errors import SourceError
from ...tabular import output_kind

__all__ = ["Partition", "PartitionFolder", "remove_partitions"]


class Partition(msgspec.Struct, frozen=True):
    """A finished partition.

    Attributes
    ----------
    start
        Number of its first row in the input.
    seen, rows, rejected
        Numbers of rows read, predicted and rejected.
    first, last
        Earliest and latest event time.
    reasons
        Row, field and reason of the first rejected rows.
    """

    start: int
    seen: int = 0
    rows: int = 0
    rejected: int = 0
    first: datetime | None = None
    last: datetime | None = None
    reasons: tuple[tuple[int | None, str | None, str], ...] = ()


class PartitionFolder:
    """A run's folder of partitions: beside its output, until the run is complete.

    Parameters
    ----------
    run
        The run's id, made from package and input, so that each run uses only its own partitions.
    """

    def __init__(self, target: Path, run: str) -> None:
        self._path = _path_of(target, run)
        # Arrow IPC is cheap to write; Parquet is written once, from all partitions.
        kind = output_kind(target)
        self._suffix = ".arrow" if kind == "parquet" else f".{kind}"
        self._path.mkdir(exist_ok=True)
        self._lock = (self._path / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise SourceError(
                f"Another process is writing '{target}'. Wait for it to finish, or give another output."
            ) from error

    def output(self, number: int) -> Path:
        """Return the file of a partition's predictions."""
        return self._path / f"{number:06d}{self._suffix}"

    def rejected(self, number: int) -> Path:
        """Return the file of a partition's rejected rows."""
        return self._path / f"{number:06d}.rejected.csv"

    def begin(self, number: int) -> None:
        """Delete the files that a stopped run left for a partition."""
        self.output(number).unlink(missing_ok=True)
        self.rejected(number).unlink(missing_ok=True)

    def finish(self, number: int, partition: Partition) -> None:
        """Record, atomically, that a partition's files are complete and on disk."""
        write_whole(self._record(number), msgspec.json.encode(partition), durable=True)

    def finished(self, number: int, start: int, rows: int | None = None) -> Partition | None:
        """Return a partition if it is finished: with this first row, this number of rows, and its files."""
        try:
            partition = msgspec.json.decode(self._record(number).read_bytes(), type=Partition)
        except (OSError, msgspec.DecodeError):
            return None
        missing_output = partition.rows and not self.output(number).exists()
        missing_rejected = partition.rejected and not self.rejected(number).exists()
        # Another version of nbship may divide the file differently.
        other_rows = partition.start != start or (rows is not None and partition.seen != rows)
        return None if missing_output or missing_rejected or other_rows else partition

    def joined(self, name: str) -> Path:
        """Return the path at which a joined file is written."""
        return self._path / name

    def close(self) -> None:
        """Release the run for another process."""
        self._lock.close()

    def remove(self) -> None:
        """Delete the folder: the run is complete, or cannot be resumed."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _record(self, number: int) -> Path:
        return self._path / f"{number:06d}.json"


def remove_partitions(target: Path, run: str) -> None:
    """Delete the folder of a run that was stopped after its output appeared."""
    shutil.rmtree(_path_of(target, run), ignore_errors=True)


def _path_of(target: Path, run: str) -> Path:
    return target.with_name(f".{target.name}.{run}.parts")
