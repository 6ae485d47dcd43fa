"""Locks: one for `nbship run`, and those of DVC, in DVC's format.

A run holds `nbship.lock` from start to end, its claims in `rwlock` while stages run, and `lock` while it writes::

    nbship.lock   [──────────────── run ────────────────]
    rwlock         [── reads data/, writes products/ ──]     `dvc repro` of the same files stops with an error
    lock               [dvc.lock, cache]   [dvc.lock, cache] other DVC commands work in between
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from .config import Repository

__all__ = ["RepositoryLock", "claim_files", "hold_run_lock"]

_RETRY_SECONDS = 0.1


@contextmanager
def hold_run_lock(repository: Repository, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of `nbship run` in a repository; wait for another run to end.

    The operating system releases the lock of a process that dies.
    """
    repository.tmp.mkdir(parents=True, exist_ok=True)
    lock = _wait_for(repository.tmp / "nbship.lock", on_wait=on_wait)
    try:
        yield
    finally:
        lock.close()


class RepositoryLock:
    """DVC's repository lock, to be held while `dvc.lock` and the cache are written, not while stages run.

    Several threads may share the object. If another process holds the lock, wait for it.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._threads = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._threads, _dvc_lock(self._repository, "lock"):
            yield


@contextmanager
def claim_files(
    repository: Repository,
    *,
    read: Iterable[Path],
    write: Iterable[Path],
    lock: RepositoryLock,
    on_wait: Callable[[str], None],
) -> Iterator[None]:
    """Claim the files that a run reads and writes in DVC's `rwlock`, so that conflicting DVC commands fail.

    Wait while a running command has claimed one of them. Claims of dead processes and a damaged `rwlock` are
    discarded.

    Parameters
    ----------
    on_wait
        Called once with the command that holds a claim.
    """
    own = {"pid": os.getpid(), "cmd": " ".join(sys.argv)}
    wanted = {"read": [str(path) for path in read], "write": [str(path) for path in write]}
    reported = False
    while blocker := _claim(repository, own, wanted, lock):
        if not reported:
            on_wait(blocker)
            reported = True
        time.sleep(_RETRY_SECONDS)
    try:
        yield
    finally:
        with _edit(repository) as held:
            _drop(held, lambda claim: bool(claim == own))


def _claim(repository: Repository, own: dict[str, Any], wanted: Mapping[str, list[str]], lock: RepositoryLock) -> str:
    """Claim, or return the command that holds a conflicting claim."""
    with lock(), _edit(repository) as held:
        _drop(held, lambda claim: claim == own or not _is_alive(claim))
        others = {path: [claim] for path, claim in held["write"].items()}
        for path, claim in ((path, claim) for path, listed in others.items() for claim in listed):
            if any(_overlap(path, mine) for mine in (*wanted["read"], *wanted["write"])):
                return str(claim["cmd"])
        for path, readers in held["read"].items():
            if any(_overlap(path, mine) for mine in wanted["write"]):
                return str(readers[0]["cmd"])
        held["write"] |= dict.fromkeys(wanted["write"], own)
        for path in wanted["read"]:
            held["read"].setdefault(path, []).append(own)
        return ""


@contextmanager
def _edit(repository: Repository) -> Iterator[dict[str, Any]]:
    path = repository.tmp / "rwlock"
    with _dvc_lock(repository, "rwlock.lock"):
        held = _read(path)
        yield held
        write_whole(path, json.dumps({kind: claims for kind, claims in held.items() if claims}))


def _read(path: Path) -> dict[str, Any]:
    """Return the claims; a missing or damaged file has none."""
    empty: dict[str, Any] = {"write": {}, "read": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        held = {**empty, **found}
        listed = [*held["write"].values(), *(claim for claims in held["read"].values() for claim in claims)]
        well_formed = all(isinstance(claim["pid"], int) and isinstance(claim["cmd"], str) for claim in listed)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return empty  # missing, or damaged by a crash, after which the processes of its claims are dead
    return held if well_formed else empty


def _drop(held: dict[str, Any], unwanted: Callable[[dict[str, Any]], bool]) -> None:
    held["write"] = {path: claim for path, claim in held["write"].items() if not unwanted(claim)}
    remaining = {path: [claim for claim in claims if not unwanted(claim)] for path, claims in held["read"].items()}
    held["read"] = {path: claims for path, claims in remaining.items() if claims}


def _is_alive(claim: Mapping[str, Any]) -> bool:
    """Tell whether the process of a claim is running, and its id has not been reused by another command."""
    import psutil  # type: ignore[import-untyped]

    try:
        words = psutil.Process(claim["pid"]).cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
    return not words or set(claim["cmd"].split()[1:]) <= {part for word in words for part in word.split()}


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}{os.sep}") or other.startswith(f"{one}{os.sep}")


@contextmanager
def _dvc_lock(repository: Repository, name: str) -> Iterator[None]:
    """Hold a lock of the configured kind: DVC fails on a lock file of the other kind."""
    repository.tmp.mkdir(parents=True, exist_ok=True)
    path = repository.tmp / name
    if repository.hardlink_lock:
        from dvc.lock import make_lock

        with make_lock(str(path), tmp_dir=str(path.parent), hardlink_lock=True, wait=True):
            yield
        return
    lock = _wait_for(path)
    try:
        yield
    finally:
        lock.close()


def _wait_for(path: Path, *, on_wait: Callable[[], None] | None = None) -> Any:
    from zc.lockfile import LockError, LockFile  # type: ignore[import-untyped]

    waited = False
    while True:
        with contextlib.suppress(LockError):
            return LockFile(str(path))
        if on_wait and not waited:
            on_wait()
        waited = True
        time.sleep(_RETRY_SECONDS)
