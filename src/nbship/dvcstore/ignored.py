"""The files that DVC leaves out of folders: those that match a pattern of `.dvcignore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["IgnoreRules"]

_NAME = ".dvcignore"


class IgnoreRules:
    """The patterns of the `.dvcignore` files above a folder, up to the root of the DVC repository.

    As in Git, the last pattern that matches decides, and the files nearest to the folder come last. (DVC does not allow
    such a file inside a folder that it tracks.)
    """

    def __init__(self, folder: Path) -> None:
        self._specs: list[tuple[str, Any]] = []  # the nearest first
        for parent in folder.absolute().parents:
            if lines := _patterns(parent / _NAME):
                from pathspec import PathSpec

                self._specs.append((str(parent), PathSpec.from_lines("gitignore", lines)))
            if (parent / ".dvc").is_dir():
                return
        self._specs = []  # not in a repository

    def __bool__(self) -> bool:
        return bool(self._specs)

    def match(self, path: str, *, is_folder: bool = False) -> bool:
        """Tell whether DVC ignores a file or folder."""
        for folder, spec in self._specs:
            relative = os.path.relpath(path, folder)
            found = spec.check_file(f"{relative}/" if is_folder else relative).include
            if found is not None:
                return bool(found)
        return False


def _patterns(path: Path) -> list[str]:
    try:
        lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
    except OSError:
        return []
    return [line for line in lines if line and not line.startswith("#")]
