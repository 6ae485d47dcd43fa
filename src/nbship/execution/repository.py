"""Create the DVC repository of a project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..errors import PipelineError

__all__ = ["prepare_repository"]


def prepare_repository(root: Path) -> bool:
    """Initialise DVC in a project that is not in a DVC repository; return whether it was necessary.

    Raises
    ------
    PipelineError
        If `dvc init` fails.
    """
    if any((folder / ".dvc").is_dir() for folder in (root, *root.parents)):
        return False
    command = [sys.executable, "-m", "dvc", "init", "--quiet", *_init_options(root)]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )
    if done.returncode and not (root / ".dvc").is_dir():  # another run may have just done it
        raise PipelineError(f"DVC cannot be set up in '{root}': {done.stderr.strip()}. Run `dvc init` there.")
    return True


def _init_options(root: Path) -> list[str]:
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    if top is None:
        return ["--no-scm"]
    return [] if top == root else ["--subdir"]
