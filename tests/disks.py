"""Small disks for tests, which are easily full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, bytes: int) -> Iterator[Path]:
    """Mount a new disk of this size on a new folder; yield the folder."""
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a small disk.")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={bytes},mode=755", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk to the last byte; return the file."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return path
