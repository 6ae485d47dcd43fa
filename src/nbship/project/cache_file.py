"""What is kept to save time: JSON under `.nbship/cache/` that may be deleted, cut or changed by anyone.

Its first line is the digest of the rest, so a damaged file is one that is not there.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .atomic_write import write_whole

__all__ = ["read_kept", "write_kept"]


def read_kept(path: Path) -> Any:
    """Return what was kept; None where nothing whole is."""
    try:
        digest, _, text = path.read_bytes().partition(b"\n")
        return json.loads(text) if digest.decode() == _digest(text) else None
    except (OSError, ValueError):
        return None


def write_kept(path: Path, content: Any) -> None:
    """Keep what JSON can hold."""
    text = json.dumps(content, separators=(",", ":"))
    write_whole(path, f"{_digest(text.encode())}\n{text}")


def _digest(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=16).hexdigest()
