"""Whether the `dvc.lock` of a commit was written from the files of that commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..dvcstore import LockFile
from ..errors import PipelineError, RegistryError
from ..project import parse_yaml
from ..text import listed, plural, value_at
from .git import Git

__all__ = ["require_current"]


def require_current(git: Git, commit: str, lock: LockFile) -> None:
    """Check that the notebooks, modules and parameters of a commit are those that its `dvc.lock` records.

    Data are compared with the digests in their `.dvc` files. Libraries are not compared; `nbship status` does that.

    Raises
    ------
    RegistryError
        If a file or a parameter differs: the package was built from other files.
    """
    found = list(dict.fromkeys([*_changed_files(git, commit, lock), *_changed_params(git, commit, lock)]))
    if found:
        raise RegistryError(
            f"The 'dvc.lock' of commit {commit[:12]} is not of this commit's files: {listed(found, most=3, quoted=True)} {plural(len(found), 'differs', 'differ')}. Run `nbship run`, and commit dvc.lock."
        )


def _changed_files(git: Git, commit: str, lock: LockFile) -> Iterator[str]:
    outs = {out["path"] for entry in lock.values() for out in entry.get("outs") or ()}
    deps = {
        dep["path"]: str(dep.get("md5", ""))
        for entry in lock.values()
        for dep in entry.get("deps") or ()
        if dep["path"] not in outs
    }
    present = set[str]()
    for path, content in git.files(commit, deps):
        present.add(path)
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != deps[path]:
            yield path
    tracked = {f"{path}.dvc": path for path in deps if path not in present}
    for file, content in git.files(commit, tracked):
        path = tracked[file]
        for out in _parsed(content, file).get("outs") or ():
            if out.get("path") == Path(path).name and out.get("md5") != deps[path]:
                yield path


def _changed_params(git: Git, commit: str, lock: LockFile) -> Iterator[str]:
    locked: dict[str, dict[str, Any]] = {}
    for entry in lock.values():
        for file, values in (entry.get("params") or {}).items():
            locked.setdefault(file, {}).update(values or {})
    for file, content in git.files(commit, locked):
        current = _parsed(content, file)
        for key, value in locked[file].items():
            if _canonical(value_at(current, key, default=None)) != _canonical(value):
                yield key


def _canonical(value: Any) -> str:
    # The order of keys has no meaning, and DVC writes its own.
    return json.dumps(value, sort_keys=True, default=str)


def _parsed(content: bytes, file: str) -> Mapping[str, Any]:
    try:
        return parse_yaml(content.decode("utf-8", errors="replace"), Path(file), PipelineError)
    except PipelineError as error:
        raise RegistryError(str(error)) from error
