"""Cache results of pure functions of file contents, by the digests of the contents."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..project import read_cache_file, write_cache_file

__all__ = ["ResultCache", "code_version"]

_MAX_RESULTS = 20_000


class ResultCache:
    """Results of pure functions, by a key with the digests of their inputs.

    Results of another version of nbship are discarded.

    Parameters
    ----------
    path
        The cache file, which may be deleted or damaged at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        found = read_cache_file(path)
        valid = isinstance(found, dict) and found.get("code") == code_version()
        self._results: dict[str, Any] = found["answers"] if valid else {}
        self._used: set[str] = set()
        self._changed = False

    def get(self, key: str) -> Any:
        """Return a result, which must not be changed; None if there is none."""
        self._used.add(key)
        return self._results.get(key)

    def put(self, key: str, result: Any) -> None:
        """Store a result, unless it would not survive a round trip through JSON."""
        from ..project import same

        if same(json.loads(json.dumps(result, default=repr)), result):
            self._used.add(key)
            self._results[key] = result
            self._changed = True

    def save(self) -> None:
        """Write new results to the cache file; above the limit, only those used in this process."""
        if self._changed:
            self._changed = False
            results = dict(self._results)
            if len(results) > _MAX_RESULTS:
                results = {key: result for key, result in results.items() if key in self._used}
            write_cache_file(self._path, {"code": code_version(), "answers": results})


@lru_cache(maxsize=1)
def code_version() -> list[list[str | int]]:
    """Return names, sizes and times of the modules that plan stages, which change with every edit."""
    here = Path(__file__).parent
    folders = (here, here.with_name("dvcstore"), here.with_name("project"))
    files = sorted([*here.parent.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))])
    stats = ((path.name, path.stat()) for path in files)
    return [[name, info.st_size, info.st_mtime_ns] for name, info in stats]
