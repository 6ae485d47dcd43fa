"""Make a run possible again where a crash or a disk has damaged what it begins from."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..atomic_write import publish, write_whole
from ..errors import PipelineError
from .lock_file import parse_lock, read_lock

__all__ = ["heal_lock"]


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
    publish(path, aside)
    if committed := _committed(path):
        write_whole(path, committed)
    begun = "the committed one" if committed else "an empty one"
    return f"'{path.name}' was damaged ({damage}). It was moved to '{aside.parent.name}/{aside.name}', and the run starts from {begun}."


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
