"""Cache files: JSON under `.nbship/cache/`, which may be deleted or damaged at any time.

The first line is the digest of the rest, so that a damaged file reads as missing:

    4b1c…e0
    {"key": ["d41d8…"], "kept": …}
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole

__all__ = ["read_cache_file", "write_cache_file"]


def read_cache_file(path: Path) -> Any:
    """Return the content of a cache file; None if it is missing or damaged."""
    try:
        digest, _, text = path.read_bytes().partition(b"\n")
        return json.loads(text) if digest.decode() == _digest(text) else None
    except (OSError, ValueError):
        return None


def write_cache_file(path: Path, content: Any) -> None:
    """Write content that JSON can represent."""
    text = json.dumps(content, separators=(",", ":"))
    write_whole(path, f"{_digest(text.encode())}\n{text}")


def _digest(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=16).hexdigest()
