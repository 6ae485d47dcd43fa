"""Find the commit of a package: the last one that changed its digest in `dvc.lock`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .digests import files_in, md5_of_file, md5_of_folder

__all__ = ["find_commit"]


def find_commit(package: Path, root: Path) -> str | None:
    """Return the commit of a package with date and author; None if there is none in Git.

    A package itself does not record a commit. `dvc.lock` records the digest of its content.
    """
    digest = md5_of_folder({name: md5_of_file(path) for name, path in files_in(package)})
    command = ["git", "log", "-1", "--format=%h of %cs by %an", f"-S{digest}", "--", "dvc.lock"]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
