"""Generated files: whole or absent, and untouched while they are current."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_if_changed", "write_whole"]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old text or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        draft.write_bytes(text.encode())
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(text.encode())
    draft.replace(path)


def write_if_changed(path: Path, text: str) -> bool:
    """Write a generated file, unless it already holds the text; tell whether it was written."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == text.encode():
        return False
    write_whole(path, text)
    return True
