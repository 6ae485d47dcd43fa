"""The digest of a run's input, and whether the input changed during the run."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...prediction_log import digest_of

__all__ = ["InputDigest"]

# File systems have coarse clocks: a file modified this recently may change again with the same mtime.
_RECENT_SECONDS = 2.0


class InputDigest:
    """A file's digest, taken when this is created.

    Attributes
    ----------
    digest
        sha256, in hexadecimal digits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stat, self._read_at = _stat(path), time.time()
        with ThreadPoolExecutor(1) as hashing:
            digest = hashing.submit(digest_of, path)
            _import_libraries()
            self.digest = digest.result()

    def is_changed(self) -> bool:
        """Return whether the file's content differs now.

        The same size and timestamps are enough, unless the file is so recent that its digest has to be compared.
        """
        *_, changed_at = self._stat
        if _stat(self._path) == self._stat and self._read_at - changed_at / 1e9 > _RECENT_SECONDS:
            return False
        return digest_of(self._path) != self.digest


def _import_libraries() -> None:
    """Import the libraries that reading takes, while the file is hashed; forked workers inherit them."""
    import pandas  # noqa: F401
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401


def _stat(path: Path) -> tuple[int, ...]:
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
