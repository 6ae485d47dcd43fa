"""Find the rows of batch runs by their key columns, in an index for each output.

An index is a file of sorted 64-bit hashes, made the first time that a key is looked up in the run. It is read as a memory
map, so a look-up touches a few pages. The hashes are made with the log's salt: an index does not reveal its keys::

    batch_keys/3f6c...e1.npy     [hash of '{"id":7}', hash of '{"id":2}', ...], in ascending order
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..atomic_write import replacing
from ..errors import LogError
from ..model.signature import Signature
from ..tabular import Source, read_chunks
from .batches import intact_run, output_fields
from .key_columns import keys_of_frame
from .log import PredictionLog
from .pruning import KEY_INDEXES
from .records import BatchRun

if TYPE_CHECKING:
    import numpy as np

    Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]

__all__ = ["batch_keys"]

_LOGGER = logging.getLogger(__name__)
_MICROSECOND = timedelta(microseconds=1)


def batch_keys(log: PredictionLog, signature: Signature, keys: Collection[str]) -> set[str]:
    """Return those of the keys that a row of a readable batch run has."""
    found: set[str] = set()
    for run in _readable(_runs(log, signature, keys)):
        if missing := [key for key in keys if key not in found]:
            found |= _contained(_index(run, signature, log.salt, log.folder), missing, log.salt)
    return found


def _runs(log: PredictionLog, signature: Signature, keys: Collection[str]) -> Sequence[BatchRun]:
    """Return the batch runs that may have these keys: if the event time is a key column, those of its window."""
    if signature.event_time not in signature.keys or not keys:
        return log.batches() if keys else ()
    times = [msgspec.json.decode(key)[signature.event_time] for key in keys]
    events = [datetime.fromisoformat(time).astimezone(UTC) for time in times if time is not None]
    return log.batches(min(events), max(events) + _MICROSECOND) if events else ()


def _readable(runs: Sequence[BatchRun]) -> Iterator[BatchRun]:
    grouped: dict[str, list[BatchRun]] = {}
    for run in runs:
        grouped.setdefault(run.id, []).append(run)
    for same in grouped.values():
        try:
            yield intact_run(same)
        except LogError:
            continue


@lru_cache(maxsize=64)
def _index(run: BatchRun, signature: Signature, salt: bytes, folder: Path | None) -> Hashes:
    import numpy as np

    # Another signature may have other key columns.
    about = blake2b(repr([signature[name] for name in signature.keys]).encode(), digest_size=8, key=salt).hexdigest()
    path = None if folder is None else folder / KEY_INDEXES / f"{run.output_digest}-{about}.npy"
    try:
        if path is None or not path.exists():
            hashes = _hashes(run, signature, salt)
            if path is None:
                return hashes
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with replacing(path, private=True) as temporary, temporary.open("wb") as file:
                np.save(file, hashes)
        index: Hashes = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        _LOGGER.warning("The index '%s' cannot be used: %s. Delete it to create it again.", path, error)
        return _hashes(run, signature, salt)
    return index


def _hashes(run: BatchRun, signature: Signature, salt: bytes) -> Hashes:
    import numpy as np

    fields = [field for field in output_fields(signature, run.output_path) if field.name in signature.keys]
    parts = [np.empty(0, dtype=np.uint64)]
    for chunk in read_chunks(Source.parse(run.output_path), fields):
        keys = keys_of_frame(chunk.frame, signature, salt=salt)
        parts.append(np.array([_hash(key, salt) for key in keys if key is not None], dtype=np.uint64))
    return np.sort(np.concatenate(parts))


def _contained(index: Hashes, keys: Sequence[str], salt: bytes) -> set[str]:
    import numpy as np

    hashes = np.array([_hash(key, salt) for key in keys], dtype=np.uint64)
    positions = np.searchsorted(index, hashes)
    here = positions < len(index)
    here[here] = index[positions[here]] == hashes[here]
    return {key for key, is_here in zip(keys, here.tolist(), strict=True) if is_here}


def _hash(key: str, salt: bytes) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=salt).digest(), "little")
