"""Which commit made a package: the one that brought its digest into `dvc.lock`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .digests import files_in, md5_of_file, md5_of_folder

__all__ = ["commit_of"]


def commit_of(package: Path, root: Path) -> str | None:
    """Return the commit, and when and by whom it was made; None where Git knows none.

    A package holds no commit: it is what it is by its content. DVC's lock file holds the digest of that content.
    """
    digest = md5_of_folder({name: md5_of_file(path) for name, path in files_in(package)})
    command = ["git", "log", "-1", "--format=%h of %cs by %an", f"-S{digest}", "--", "dvc.lock"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
