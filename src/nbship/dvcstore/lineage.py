"""Which commit made a package: the one that brought its digest into `dvc.lock`."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

__all__ = ["commit_of"]


def commit_of(package: Path, root: Path) -> str | None:
    """Return the commit, and when and by whom it was made; None where Git knows none.

    A package holds no commit: it is what it is by its content. DVC's lock file holds the digest of that content.
    """
    command = ["git", "log", "-1", "--format=%h of %cs by %an", f"-S{_digest(package)}", "--", "dvc.lock"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _digest(package: Path) -> str:
    """Return the digest of a folder as DVC has it."""
    files = sorted(path for path in package.rglob("*") if path.is_file())
    listed = [
        {
            "md5": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(),
            "relpath": path.relative_to(package).as_posix(),
        }
        for path in files
    ]
    listed.sort(key=lambda each: each["relpath"])
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
