"""Merge two versions of `dvc.lock`, stage by stage, as Git's merge driver for that file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import PipelineError

__all__ = ["merge_lock_files", "merge_locks"]


def merge_locks(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Merge the `stages` of two versions of `base`.

    A stage that one side changed is taken from that side. A stage that both sides changed differently is left
    out: neither side ran it with the merged inputs, so it runs again (or is restored from the run cache).

    Returns
    -------
    tuple
        The merged stages, and the names of those left out.

    >>> merge_locks({"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 3, "c": 1})
    ({'a': 2, 'c': 1}, ['b'])
    """
    merged: dict[str, Any] = {}
    dropped: list[str] = []
    for name in dict.fromkeys([*ours, *theirs]):
        was, mine, other = base.get(name), ours.get(name), theirs.get(name)
        if mine != other and was not in (mine, other):
            dropped.append(name)
            continue
        chosen = other if mine == was else mine
        if chosen is not None:
            merged[name] = chosen
    return merged, dropped


def merge_lock_files(base: Path, ours: Path, theirs: Path) -> list[str]:
    """Merge `theirs` into `ours` (paths from Git's merge driver); `ours` is rewritten.

    Returns
    -------
    list
        The stages that will run again.

    Raises
    ------
    PipelineError
        If one of the three is not a lock file; Git then reports a conflict.
    """
    locks = [_read(path) for path in (base, ours, theirs)]
    merged, dropped = merge_locks(*(lock.get("stages") or {} for lock in locks))
    yaml = _yaml()
    with ours.open("w", encoding="utf-8") as file:
        yaml.dump({"schema": locks[1].get("schema", "2.0"), "stages": merged}, file)
    return dropped


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    return yaml


def _read(path: Path) -> Mapping[str, Any]:
    from ruamel.yaml.error import YAMLError

    try:
        lock = _yaml().load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, YAMLError, RecursionError) as error:
        raise PipelineError(
            f"'{path}' cannot be read as dvc.lock. Resolve the merge by hand, or take one side and run `nbship run`."
        ) from error
    if not isinstance(lock, Mapping):
        raise PipelineError(f"'{path}' is not a dvc.lock. Resolve the merge by hand, or take one side.")
    return lock
