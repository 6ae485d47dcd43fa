"""Data that DVC tracks with a `.dvc` file: changes are recorded, as `dvc repro` does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ..errors import PipelineError
from ..project import read_yaml
from .config import Repository
from .digests import Digests
from .hashing import Content, read_content
from .store import DvcStore

__all__ = ["create_empty_folders", "record_tracked_data"]

# DVC's digest of a folder without files: the MD5 of "[]".
_EMPTY = "d751713988987e9331980363e24189ce.dir"


def create_empty_folders(root: Path, resources: Iterable[PurePosixPath]) -> None:
    """Create tracked folders that are missing and have no files: Git does not know them, and no cache needs to hold them."""
    for path in resources:
        file = root / f"{path}.dvc"
        if (root / path).exists() or not file.is_file():
            continue
        outs = read_yaml(file, PipelineError).get("outs") or ()
        if any(out.get("md5") == _EMPTY and out.get("path") == path.name for out in outs):
            (root / path).mkdir()


def record_tracked_data(
    repository: Repository, root: Path, resources: Iterable[PurePosixPath], digests: Digests, store: DvcStore
) -> list[str]:
    """Let DVC record changed resources in their `.dvc` files; add unchanged ones to the cache.

    Files outside the repository are DVC's external dependencies: they are neither recorded nor cached.

    Returns
    -------
    list
        The `.dvc` files that were written, relative to the root.

    Raises
    ------
    PipelineError
        If DVC fails.
    """
    written = []
    inside = (path for path in resources if Path(os.path.normpath(root / path)).is_relative_to(repository.root))
    for name in dict.fromkeys(_tracking(root, inside)):
        recorded = _recorded(root / name, digests)
        if recorded is None:
            _repro(root, name)
            written.append(name)
        else:
            store.add_to_cache(recorded)
    return written


def _tracking(root: Path, resources: Iterable[PurePosixPath]) -> Iterator[str]:
    for path in resources:
        for tracked in (path, *path.parents[:-1]):
            if (root / f"{tracked}.dvc").is_file():
                yield f"{tracked}.dvc"
        # A folder may hold files that are tracked one by one.
        for found in sorted((root / path).rglob("*.dvc")) if (root / path).is_dir() else ():
            if found.is_file():
                yield found.relative_to(root).as_posix()


def _recorded(file: Path, digests: Digests) -> dict[Path, Content] | None:
    """Return the contents that a `.dvc` file tracks and the cache should hold; None if one has changed."""
    found: dict[Path, Content] = {}
    for out in read_yaml(file, PipelineError).get("outs") or ():
        path = file.parent / str(out.get("path", ""))
        content = read_content(path, digests)
        if content is None or content.md5 != out.get("md5"):
            return None
        if out.get("cache", True):
            found[path] = content
    return found


def _repro(root: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--quiet", name],
        cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=False, env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )  # fmt: skip
    if done.returncode:
        output = done.stderr.strip().removeprefix("ERROR: ") or "no output"
        raise PipelineError(
            f"DVC cannot record the changes of '{name}': {output}. `dvc repro {name}` shows the full output."
        )
