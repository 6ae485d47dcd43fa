"""Repair a damaged `dvc.lock`, so that a run can start."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..atomic_write import publish, write_whole
from ..errors import PipelineError
from .lock_file import parse_lock, read_lock

__all__ = ["repair_lock"]


def repair_lock(path: Path, *, aside: Path) -> str:
    """Replace a damaged `dvc.lock`; return a sentence about it, or an empty string if it is intact.

    The committed version is restored, or else an empty one: products are restored from the run cache.

    Parameters
    ----------
    aside
        Where the damaged file is moved.
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
    start = "the committed version" if committed else "an empty file"
    return f"'{path.name}' was damaged ({damage}). It was moved to '{aside.parent.name}/{aside.name}', and the run starts from {start}."


def _committed(path: Path) -> str:
    """Return the committed version, or an empty string if it is missing or damaged."""
    try:
        done = subprocess.run(
            ["git", "show", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True, encoding="utf-8", check=True
        )
        parse_lock(done.stdout)
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError, PipelineError):
        return ""
    return done.stdout
