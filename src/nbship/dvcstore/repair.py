"""Make a run possible again where a crash or a disk has damaged what it begins from."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..errors import PipelineError
from ..project import write_whole
from .lock_file import parse_lock, read_lock

__all__ = ["heal_lock", "remove_drafts"]

# What `write_whole`, here and in notebooks, calls a file until it is whole.
_DRAFT = r"\.{}\.(?:[a-z0-9_]{{8}}|[0-9]+\.draft)"


def heal_lock(path: Path, *, aside: Path) -> str:
    """Put a `dvc.lock` in order that cannot be read; return what was done, as a sentence, or nothing.

    The one that is committed takes its place, or none: what the stages made comes back from the run cache.

    Parameters
    ----------
    aside
        Where the damaged one is left.
    """
    try:
        read_lock(path)
        return ""
    except PipelineError as error:
        damage = str(error.__cause__ or error).rstrip(".")
    aside.parent.mkdir(parents=True, exist_ok=True)
    path.replace(aside)
    if committed := _committed(path):
        write_whole(path, committed)
    begun = "the committed one" if committed else "an empty one"
    return f"'{path.name}' was damaged ({damage}). It was moved to '{aside.parent.name}/{aside.name}', and the run starts from {begun}."


def remove_drafts(paths: Iterable[Path]) -> None:
    """Delete what a killed process left half-written beside files; only while none writes them."""
    names: dict[Path, list[str]] = {}
    for path in paths:
        names.setdefault(path.parent, []).append(re.escape(path.name))
    for folder, inside in names.items():
        drafts = re.compile(_DRAFT.format(f"(?:{'|'.join(inside)})"))
        for found in os.listdir(folder) if folder.is_dir() else ():  # noqa: PTH208 - names are all that is needed
            if drafts.fullmatch(found):
                (folder / found).unlink(missing_ok=True)


def _committed(path: Path) -> str:
    """Return the file as Git has it, if it is whole there."""
    try:
        done = subprocess.run(
            ["git", "show", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True, text=True, check=True
        )
        parse_lock(done.stdout)
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError, PipelineError):
        return ""
    return done.stdout
