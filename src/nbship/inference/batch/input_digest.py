"""The digest of a run's input, and whether the input changed during the run."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

from ...errors import SourceError
from ...tabular import Source

__all__ = ["InputDigest"]

# File systems have coarse clocks: a file modified this recently may change again with the same mtime.
_RECENT_SECONDS = 2.0


class InputDigest:
    """The digest of a source's files, taken when this is created.

    Attributes
    ----------
    digest
        sha256, in hexadecimal digits.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stats, self._read_at = source.stats(), time.time()
        with ThreadPoolExecutor(1) as hashing:
            digest = hashing.submit(source.digest)
            _import_libraries()
            self.digest = digest.result()

    def is_changed(self) -> bool:
        """Return whether a file was changed, added or removed since.

        The same size and timestamps are enough, unless a file is so recent that its digest has to be compared.
        """
        changed_at = max(stat[-1] for stat in self._stats)
        try:
            if self._source.stats() == self._stats and self._read_at - changed_at / 1e9 > _RECENT_SECONDS:
                return False
            return dataclasses.replace(self._source).digest() != self.digest
        except (OSError, SourceError):
            return True


def _import_libraries() -> None:
    """Import the libraries that reading takes, while the file is hashed; forked workers inherit them."""
    import pandas  # noqa: F401
    import pyarrow.compute  # noqa: F401
    import pyarrow.parquet  # noqa: F401
