"""What a file holds, and whether it still does."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...prediction_log import digest_of

__all__ = ["Content"]

# Clocks of file systems are coarse: a file that was changed so recently may change again without a trace in its times.
_RECENT_SECONDS = 2.0


class Content:
    """The content of a file at the moment.

    Attributes
    ----------
    digest
        sha256, in hexadecimal digits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks, self._read_at = _marks(path), time.time()
        with ThreadPoolExecutor(1) as hashing:
            digest = hashing.submit(digest_of, path)
            _import_libraries()
            self.digest = digest.result()

    def is_changed(self) -> bool:
        """Tell whether the file holds something else now.

        Times and size tell that it does not; where they cannot, its bytes do.
        """
        *_, changed = self._marks
        if _marks(self._path) == self._marks and self._read_at - changed / 1e9 > _RECENT_SECONDS:
            return False
        return digest_of(self._path) != self.digest


def _import_libraries() -> None:
    """Import, while a file is being hashed, what reading it takes: each process that is forked has it then."""
    import pandas  # noqa: F401
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401


def _marks(path: Path) -> tuple[int, ...]:
    about = os.stat(path)  # noqa: PTH116
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
