"""Data that DVC tracks by a file of its own (`data.dvc`): what changed is recorded, as `dvc repro` does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ..errors import PipelineError
from ..project import read_yaml
from .digests import Digests
from .hashing import Content, read_content
from .store import Books

__all__ = ["record_sources"]


def record_sources(root: Path, resources: Iterable[PurePosixPath], digests: Digests, books: Books) -> list[str]:
    """Let DVC record the outside files that stages read where they are not what their `.dvc` files say.

    Those that are come into the cache, if they are not there.

    Returns
    -------
    list
        The `.dvc` files that were written, relative to the root.

    Raises
    ------
    PipelineError
        If DVC refuses.
    """
    written = []
    for name in dict.fromkeys(_tracking(root, resources)):
        recorded = _recorded(root / name, digests)
        if recorded is None:
            _repro(root, name)
            written.append(name)
        else:
            books.keep(recorded)
    return written


def _tracking(root: Path, resources: Iterable[PurePosixPath]) -> Iterator[str]:
    for path in resources:
        for tracked in (path, *path.parents[:-1]):
            if (root / f"{tracked}.dvc").is_file():
                yield f"{tracked}.dvc"


def _recorded(file: Path, digests: Digests) -> dict[Path, Content] | None:
    """Return what a `.dvc` file tracks and the cache should hold; None if it is not what the file says."""
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
        cwd=root, capture_output=True, text=True, check=False, env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().removeprefix("ERROR: ") or "it said nothing"
        raise PipelineError(
            f"DVC does not record what changed in '{name}': {said}. `dvc repro {name}` shows the full output."
        )
