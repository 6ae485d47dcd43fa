"""The parts of a batch run: each is read, predicted and written by itself, and noted when it is on the disk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputFailure, InvalidInputError
from ...model.backends import cores, use_cores
from ...model.signature import Signature
from ...predictor import PackagePredictor, Predictions
from ...tabular import Chunk, TableWriter, read_chunks, spans_in
from .output_tables import predicted_table, rejected_table
from .partitions import Part, PartFolder
from .workers import Workers, can_fork

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REASONS", "Scoring"]

REASONS = 20
# Each takes some 200 MB.
_MOST_WORKERS = 8


@dataclass(frozen=True)
class Scoring:
    """How the rows of a file are scored.

    Attributes
    ----------
    id
        Of the run.
    rows_at_a_time, rows_a_part
        What is in memory at a time; what a stopped run has to do again, at most, but for large row groups of Parquet.
    """

    predictor: PackagePredictor
    id: str
    source: Path
    parts: PartFolder
    ignore_extra: bool
    rows_at_a_time: int
    rows_a_part: int

    def finished(self, progress: Callable[[int], None]) -> Generator[tuple[int, Part]]:
        """Make the parts that are not done; yield all of them with their places, in order.

        Parameters
        ----------
        progress
            Called with the number of rows done.
        """
        spans = spans_in(self.source, self.rows_a_part)
        return self._in_order(progress) if spans is None else self._beside(spans, progress)

    def _in_order(self, progress: Callable[[int], None]) -> Generator[tuple[int, Part]]:
        """Make the parts of a file that can only be read from its beginning."""
        place, start = 0, 0
        while (part := self.parts.done(place, start)) is not None:
            yield place, part
            place, start = place + 1, start + part.seen
        with ThreadPoolExecutor(1) as reading, closing(_ahead(self._chunks(start), reading)) as chunks:
            for first in chunks:
                own = chain([first], islice(chunks, max(1, self.rows_a_part // self.rows_at_a_time) - 1))
                part = self._make(place, start, own, _counting(progress, start))
                yield place, part
                place, start = place + 1, start + part.seen

    def _beside(self, spans: Sequence[range], progress: Callable[[int], None]) -> Generator[tuple[int, Part]]:
        """Make parts that can be read by themselves, as many at a time as there are cores, up to eight."""

        def make(place: int, told: Callable[[int], None]) -> Part:
            span = spans[place]
            return self._make(place, span.start, self._chunks(span.start, span.stop), told)

        def done(place: int) -> Part | None:
            return self.parts.done(place, spans[place].start, len(spans[place]))

        missing = [place for place in range(len(spans)) if done(place) is None]
        told = _counting(progress, sum(len(span) for place, span in enumerate(spans) if place not in missing))
        # Other paths than tables have threads of their own.
        count = min(cores(), _MOST_WORKERS) if self.predictor.path == "tables" and can_fork() else 0
        with Workers(make, missing, prepare=self._prepare, count=count, told=told) as workers:
            for place in range(len(spans)):
                workers.wait_for(lambda place=place: done(place) is not None)  # type: ignore[misc]
                yield place, done(place) or make(place, told)

    def _prepare(self) -> None:
        """In a worker: leave what is the run's own process's."""
        self.parts.close()
        use_cores(1)

    def _chunks(self, start: int, stop: int | None = None) -> Iterator[Chunk]:
        fields = self.predictor.signature.inputs
        return read_chunks(
            self.source,
            fields,
            rows=self.rows_at_a_time,
            start=start,
            stop=stop,
            ignore_extra=self.ignore_extra,
            coded=self.predictor.model.takes_codes,
        )

    def _make(self, place: int, start: int, chunks: Iterable[Chunk], told: Callable[[int], None]) -> Part:
        """Make a part; `told` is called with the number of rows of each chunk."""
        self.parts.begin(place)
        part = Part(start)
        signature = self.predictor.signature
        with (
            closing(TableWriter(self.parts.output(place))) as output,
            closing(TableWriter(self.parts.rejected(place))) as aside,
        ):
            for chunk in chunks:
                frame, predictions, refused = _predict(self.predictor, chunk.frame)
                failures = [*chunk.failures, *refused]
                if predictions is not None:
                    output.write(predicted_table(self.id, chunk, frame, predictions, signature, text=output.text))
                if failures:
                    aside.write(rejected_table(chunk, failures))
                part = _added(part, chunk, frame, failures, signature)
                told(len(chunk.index))
        self.parts.finish(place, part)
        return part


def _counting(progress: Callable[[int], None], done: int) -> Callable[[int], None]:
    """Return what adds up rows, and tells how many there are now."""

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        if rows:
            progress(done)

    return told


def _ahead(chunks: Iterator[Chunk], reading: ThreadPoolExecutor) -> Generator[Chunk]:
    """Yield chunks, while the next one is being read."""
    following: Future[Chunk | None] = reading.submit(next, chunks, None)
    while (chunk := following.result()) is not None:
        following = reading.submit(next, chunks, None)
        yield chunk


def _added(
    part: Part, chunk: Chunk, frame: pd.DataFrame, failures: Sequence[InputFailure], signature: Signature
) -> Part:
    moments = None if signature.event_time is None or not len(frame) else frame[signature.event_time]
    first, last = (None, None) if moments is None else (moments.min().to_pydatetime(), moments.max().to_pydatetime())
    told = [(failure.row, failure.field, failure.reason) for failure in failures[:REASONS]]
    return Part(
        start=part.start,
        seen=part.seen + len(chunk.index),
        rows=part.rows + len(frame),
        rejected=part.rejected + len({failure.row for failure in failures}),
        first=min((moment for moment in (part.first, first) if moment), default=None),
        last=max((moment for moment in (part.last, last) if moment), default=None),
        reasons=(*part.reasons, *told)[:REASONS],
    )


def _predict(
    predictor: PackagePredictor, frame: pd.DataFrame
) -> tuple[pd.DataFrame, Predictions | None, list[InputFailure]]:
    """Return the rows that can be predicted, their predictions, and what is wrong with the others."""
    if not len(frame):
        return frame, None, []
    try:
        return frame, predictor.predict(frame.reset_index(drop=True)), []
    except InvalidInputError as error:
        if any(failure.row is None for failure in error.failures):
            raise
        refused = [InputFailure(int(frame.index[f.row or 0]), f.field, f.reason) for f in error.failures]
    kept = frame.drop(index=sorted({failure.row for failure in refused if failure.row is not None}))
    return kept, predictor.predict(kept.reset_index(drop=True)) if len(kept) else None, refused
