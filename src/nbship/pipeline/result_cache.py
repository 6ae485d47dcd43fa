"""What was found out about contents, kept by their digests: what is unchanged is not looked into again."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..project import read_cache_file, write_cache_file

__all__ = ["Memo", "code_mark"]

_MOST = 20_000


class Memo:
    """Answers of pure functions, by a key that holds the digest of all that they are functions of.

    Answers of another version of nbship are forgotten.

    Parameters
    ----------
    path
        Where they are kept; the file may be deleted or damaged at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        found = read_cache_file(path)
        right = isinstance(found, dict) and found.get("code") == code_mark()
        self._kept: dict[str, Any] = found["answers"] if right else {}
        self._used: set[str] = set()
        self._changed = False

    def get(self, key: str) -> Any:
        """Return the answer, not to be changed; None if there is none."""
        self._used.add(key)
        return self._kept.get(key)

    def put(self, key: str, answer: Any) -> None:
        """Keep an answer, unless JSON would give it back as another."""
        from ..project import same

        if same(json.loads(json.dumps(answer, default=repr)), answer):
            self._used.add(key)
            self._kept[key] = answer
            self._changed = True

    def save(self) -> None:
        """Keep what was learnt; of very many answers, those that were asked for."""
        if self._changed:
            self._changed = False
            kept = dict(self._kept)
            if len(kept) > _MOST:
                kept = {key: answer for key, answer in kept.items() if key in self._used}
            write_cache_file(self._path, {"code": code_mark(), "answers": kept})


@lru_cache(maxsize=1)
def code_mark() -> list[list[str | int]]:
    """Return what tells one version of the code that plans from another, also while it is being written."""
    here = Path(__file__).parent
    folders = (here, here.with_name("dvcstore"), here.with_name("project"))
    files = sorted([*here.parent.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))])
    marks = ((path.name, path.stat()) for path in files)
    return [[name, info.st_size, info.st_mtime_ns] for name, info in marks]
