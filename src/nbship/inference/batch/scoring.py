"""Score a file by partitions: each is read, predicted, written and recorded on its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from ...errors import InputFailure, InvalidInputError
from ...forks import can_fork
from ...model.backends import available_cores, limit_cores
from ...model.signature import Signature
from ...predictor import PackagePredictor, Predictions
from ...tabular import Chunk, Source, TableWriter, read_chunks, read_row_spans
from .output_tables import predicted_table, rejected_table
from .partitions import Partition, PartitionFolder
from .workers import Workers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REASONS", "Scoring"]

REASONS = 20
# Each takes about 200 MB.
_MAX_WORKERS = 8


@dataclass(frozen=True)
class Scoring:
    """A source to score, and the size of its partitions.

    Attributes
    ----------
    id
        The run's id.
    chunk_rows, partition_rows
        Rows in memory at a time; rows in a partition, though a Parquet row group is never split.
    salt
        The log's salt, if rejected rows are written with pseudonyms.
    """

    predictor: PackagePredictor
    id: str
    source: Source
    folder: PartitionFolder
    ignore_extra: bool
    escape_formulas: bool
    chunk_rows: int
    partition_rows: int
    salt: bytes | None = None

    def run(self, progress: Callable[[int], None]) -> Generator[tuple[int, Partition]]:
        """Score the unfinished partitions; yield all partitions with their numbers, in order.

        Parameters
        ----------
        progress
            Called with the number of rows scored so far.
        """
        spans = read_row_spans(self.source, self.partition_rows)
        return self._sequentially(progress) if spans is None else self._in_parallel(spans, progress)

    def _sequentially(self, progress: Callable[[int], None]) -> Generator[tuple[int, Partition]]:
        """Score a file that can only be read from its start."""
        number, start = 0, 0
        while (partition := self.folder.finished(number, start)) is not None:
            yield number, partition
            number, start = number + 1, start + partition.seen
        with ThreadPoolExecutor(1) as reader, closing(_read_ahead(self._chunks(start), reader)) as chunks:
            for first in chunks:
                own = chain([first], islice(chunks, max(1, self.partition_rows // self.chunk_rows) - 1))
                partition = self._score(number, start, own, _counter(progress, start))
                yield number, partition
                number, start = number + 1, start + partition.seen

    def _in_parallel(self, spans: Sequence[range], progress: Callable[[int], None]) -> Generator[tuple[int, Partition]]:
        """Score a file whose partitions can be read independently: one worker per core, at most eight."""

        def score(number: int, report: Callable[[int], None]) -> Partition:
            span = spans[number]
            return self._score(number, span.start, self._chunks(span.start, span.stop), report)

        def finished(number: int) -> Partition | None:
            return self.folder.finished(number, spans[number].start, len(spans[number]))

        missing = [number for number in range(len(spans)) if finished(number) is None]
        report = _counter(progress, sum(len(span) for number, span in enumerate(spans) if number not in missing))
        # ONNX and scikit-learn use threads of their own.
        count = (
            min(available_cores(), _MAX_WORKERS) if self.predictor.backend in ("tables", "nodes") and can_fork() else 0
        )
        with Workers(score, missing, prepare=self._prepare, count=count, report=report) as workers:
            for number in range(len(spans)):
                workers.wait_for(lambda number=number: finished(number) is not None)  # type: ignore[misc]
                yield number, finished(number) or score(number, report)

    def _prepare(self) -> None:
        """In a worker: close the parent's lock, and use one core."""
        self.folder.close()
        limit_cores(1)

    def _chunks(self, start: int, stop: int | None = None) -> Iterator[Chunk]:
        fields = self.predictor.signature.inputs
        return read_chunks(
            self.source,
            fields,
            rows=self.chunk_rows,
            start=start,
            stop=stop,
            ignore_extra=self.ignore_extra,
            coded=self.predictor.model.accepts_codes,
        )

    def _score(self, number: int, start: int, chunks: Iterable[Chunk], report: Callable[[int], None]) -> Partition:
        """Score one partition; `report` is called with the number of rows of each chunk."""
        self.folder.begin(number)
        partition = Partition(start)
        signature = self.predictor.signature
        with (
            closing(TableWriter(self.folder.output(number), escape_formulas=self.escape_formulas)) as output,
            closing(TableWriter(self.folder.rejected(number), escape_formulas=self.escape_formulas)) as rejected,
        ):
            for chunk in chunks:
                frame, predictions, invalid = _predict(self.predictor, chunk.frame)
                failures = [*chunk.failures, *invalid]
                if predictions is not None:
                    output.write(predicted_table(self.id, chunk, frame, predictions, signature, text=output.is_csv))
                if failures:
                    rejected.write(rejected_table(chunk, failures, signature, salt=self.salt))
                partition = _added(partition, chunk, frame, failures, signature)
                report(len(chunk.index))
        self.folder.finish(number, partition)
        return partition


def _counter(progress: Callable[[int], None], done: int) -> Callable[[int], None]:
    """Return a function that adds rows to `done` and calls `progress` with the sum."""

    def report(rows: int) -> None:
        nonlocal done
        done += rows
        if rows:
            progress(done)

    return report


def _read_ahead(chunks: Iterator[Chunk], reader: ThreadPoolExecutor) -> Generator[Chunk]:
    """Yield chunks while the next one is read."""
    following: Future[Chunk | None] = reader.submit(next, chunks, None)
    while (chunk := following.result()) is not None:
        following = reader.submit(next, chunks, None)
        yield chunk


def _added(
    partition: Partition, chunk: Chunk, frame: pd.DataFrame, failures: Sequence[InputFailure], signature: Signature
) -> Partition:
    times = None if signature.event_time is None or not len(frame) else frame[signature.event_time]
    first, last = (None, None) if times is None else (times.min().to_pydatetime(), times.max().to_pydatetime())
    reasons = [(failure.row, failure.field, failure.reason) for failure in failures[:REASONS]]
    return Partition(
        start=partition.start,
        seen=partition.seen + len(chunk.index),
        rows=partition.rows + len(frame),
        rejected=partition.rejected + len({failure.row for failure in failures}),
        first=min((time for time in (partition.first, first) if time), default=None),
        last=max((time for time in (partition.last, last) if time), default=None),
        reasons=(*partition.reasons, *reasons)[:REASONS],
    )


def _predict(
    predictor: PackagePredictor, frame: pd.DataFrame
) -> tuple[pd.DataFrame, Predictions | None, list[InputFailure]]:
    """Return the valid rows, their predictions, and the failures of the other rows."""
    invalid: list[InputFailure] = []
    # Rows that are valid by the signature may still be rejected by the model.
    while len(frame):
        try:
            return frame, predictor.predict(frame.reset_index(drop=True)), invalid
        except InvalidInputError as error:
            if any(failure.row is None for failure in error.failures):
                raise
            found = [InputFailure(int(frame.index[f.row or 0]), f.field, f.reason) for f in error.failures]
        invalid += found
        frame = frame.drop(index=sorted({failure.row for failure in found if failure.row is not None}))
    return frame, None, invalid
