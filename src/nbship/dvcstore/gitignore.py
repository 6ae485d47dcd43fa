"""Add products in DVC's cache to `.gitignore`, and changed files to Git's index, as DVC does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..atomic_write import write_whole
from ..errors import PipelineError
from ..file_locks import changing
from ..text import one_line

__all__ = ["add_to_git", "ignore_in_git"]


def add_to_git(git: Path, paths: Iterable[Path]) -> None:
    """Add the changes of files to Git's index.

    Raises
    ------
    PipelineError
        If Git does not add them.
    """
    command = ["git", "add", "--", *(str(path) for path in paths if path.exists())]
    done = subprocess.run(command, cwd=git, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        raise PipelineError(
            f"Git cannot add the files of this run: {one_line(done.stderr)}. Add them yourself, or run `dvc config core.autostage false`."
        )


def ignore_in_git(git: Path, paths: Iterable[Path]) -> list[Path]:
    """Add products to the `.gitignore` beside them, unless Git ignores them already; return the files that were changed.

    Raises
    ------
    PipelineError
        If Git tracks one of them: DVC cannot track it as well.
    """
    missing = [path for path in paths if not _is_listed(path)]
    if not missing:
        return []
    tracked = _git(git, "ls-files", "-z", "--", *map(str, missing))
    if tracked:
        raise PipelineError(
            f"The product '{tracked[0]}' is tracked by Git, but DVC tracks products. Remove it from Git: `git rm -r --cached {tracked[0]}`."
        )
    # Without --stdin, Git has no -z here.
    ignored = set(_git(git, "check-ignore", "-z", "--stdin", given=missing))
    added = [path for path in missing if str(path) not in ignored]
    for path in added:
        _add(path)
    return [path.with_name(".gitignore") for path in added]


def _is_listed(path: Path) -> bool:
    try:
        return _line(path) in _read(path.with_name(".gitignore")).splitlines()
    except OSError:
        return False


def _add(path: Path) -> None:
    file = path.with_name(".gitignore")
    with changing(file) as file:
        text = _read(file) if file.is_file() else ""
        if _line(path) not in text.splitlines():
            separator = "" if not text or text.endswith("\n") else "\n"
            write_whole(file, os.fsencode(f"{text}{separator}{_line(path)}\n"))


def _read(file: Path) -> str:
    # Git compares bytes, of any encoding.
    return os.fsdecode(file.read_bytes())


def _line(path: Path) -> str:
    return "/" + re.sub(r"([!*?\[\]#])", r"\\\1", path.name)


def _git(top: Path, *words: str, given: Iterable[Path] = ()) -> Sequence[str]:
    # Exit code 1 means that nothing was found; without Git, nothing has to be ignored.
    try:
        paths = b"".join(os.fsencode(path) + b"\0" for path in given)
        done = subprocess.run(["git", *words], cwd=top, input=paths, capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    return [path for path in os.fsdecode(done.stdout).split("\0") if path]
