"""The SHA-256 of every file of a library, from a lock file: `uv.lock`, or `pylock.toml` (PEP 751, as `pip lock` writes it)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import PackageError

__all__ = ["find_lock", "read_hashes"]

_LOCK_FILES = ("uv.lock", "pylock.toml")


def find_lock(folder: Path) -> Path | None:
    """Return the lock file in a folder, or None."""
    return next((folder / name for name in _LOCK_FILES if (folder / name).is_file()), None)


def read_hashes(lock: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the sorted digests by library, such as `numpy==2.3.0`; libraries without digests are left out.

    Raises
    ------
    PackageError
        If the file cannot be read.
    """
    try:
        content = tomllib.loads(lock.read_text(encoding="utf-8"))
        entries = [*content.get("package", ()), *content.get("packages", ())]
        found = {_name(entry): tuple(sorted(set(_digests(entry)))) for entry in entries if "version" in entry}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackageError(
            f"'{lock}' cannot be read as a lock file: {error}. Use {' or '.join(_LOCK_FILES)}."
        ) from error
    return {name: digests for name, digests in found.items() if digests}


def _name(entry: Mapping[str, Any]) -> str:
    return f"{re.sub(r'[-_.]+', '-', entry['name']).lower()}=={entry['version']}"


def _digests(entry: Mapping[str, Any]) -> Iterator[str]:
    for file in [*entry.get("wheels", ()), *filter(None, [entry.get("sdist")])]:
        digest = file.get("hashes", {}).get("sha256") or file.get("hash", "").removeprefix("sha256:")
        if digest and re.fullmatch(r"[0-9a-f]{64}", digest):
            yield digest
