"""New data: a window of a source is fetched, checked, and joins the data that DVC tracks; or nothing changes.

::

    source ──► a process of its own ──► checks ──► windows/<source>/<window>.parquet ──► DVC's cache ──► ….parquet.dvc
                                          └──► state/data/<source>/: quarantined rows, and why a window was rejected

The `.dvc` file is written last. A window without one is not held: a fetch that was killed is repeated, with the same bytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ..atomic_write import create_private, remove_temporary, replacing
from ..data.sources import DataWindow, DeclaredSource, declared_source
from ..data.windows import (
    QUARANTINE_FILE,
    WINDOW_FILE,
    Earlier,
    Facts,
    check_window,
    next_window,
    overlapping,
    read_in_process,
)
from ..dvcstore import read_repository
from ..errors import DataError, SourceDownError, WindowError
from ..file_locks import changing
from ..project import Project
from .fetch_records import accepted_before, record_accepted, record_rejection
from .tracked_windows import HeldWindow, held_windows, restore_window, track_window, window_path

__all__ = ["FILES_ROOT", "Fetched", "fetch", "source_of"]

# Where relative paths of sources start: the checkout, for a fetch in a worktree.
FILES_ROOT = "NBSHIP_FILES_ROOT"
_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 1.0, 60.0


@dataclass(frozen=True)
class Fetched:
    """The outcome of a fetch.

    Attributes
    ----------
    state
        `new`; `held` if the window was there, `replaced` or `unchanged` if it was fetched again; `waiting` if no window is
        over yet; `down` if the source is down and the last window stays.
    window
        None if no window is over yet.
    path
        The file of the window.
    quarantine
        The file of the quarantined rows; None without any.
    message
        Why the source is down.
    """

    source: str
    state: Literal["new", "held", "replaced", "unchanged", "waiting", "down"]
    window: DataWindow | None = None
    rows: int = 0
    quarantined: int = 0
    path: Path | None = None
    quarantine: Path | None = None
    message: str = ""


def source_of(project: Project, name: str) -> DeclaredSource:
    """Return a source of a project, with the folder at which its relative paths start."""
    moved = os.environ.get(FILES_ROOT)
    return declared_source(project, name, files=Path(moved) if moved else None)


def fetch(
    project: Project,
    name: str,
    window: DataWindow | None = None,
    *,
    again: bool = False,
    any_count: bool = False,
    now: datetime | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Fetch a window of a source, and let DVC track it.

    Parameters
    ----------
    window
        By default, the one after the last that is held.
    again
        Replace a window that is held, if the source has other rows now.
    any_count
        Accept any number of rows but none.
    tell
        Called with a sentence about each attempt that is repeated.

    Raises
    ------
    DataError
        If the window is not accepted. Nothing has changed then, but the quarantine and the reason in the state folder.
    PipelineError
        If the project is not in a DVC repository.
    """
    source, instant = source_of(project, name), now or datetime.now(UTC)
    read_repository(project.root)
    with changing(_folder(project, name) / "fetch"):
        held = held_windows(project, name)
        chosen = window or next_window(source, [each.window for each in held], now=instant)
        if chosen is None:
            return Fetched(name, "waiting")
        _require_over(source, chosen, instant)
        _require_apart(project, source, chosen, held)
        there = next((each for each in held if each.window.name == chosen.name), None)
        if there and not again:
            restore_window(project, there)
            return _outcome(there, "held")
        try:
            accepted, quarantine = _read_and_accept(project, source, chosen, held, any_count=any_count, tell=tell)
        except DataError as error:
            record_rejection(_folder(project, name), chosen, error, instant)
            if isinstance(error, SourceDownError) and source.settings.when_down == "last":
                return Fetched(name, "down", chosen, message=str(error))
            raise
        record_accepted(_folder(project, name), chosen, rows=accepted.rows)
    if there is None:
        return _outcome(accepted, "new", quarantine)
    return _outcome(accepted, "unchanged" if there.md5 == accepted.md5 else "replaced", quarantine)


def _folder(project: Project, name: str) -> Path:
    """Return the folder of the state of a source."""
    return project.state / "data" / name


def _read_and_accept(
    project: Project,
    source: DeclaredSource,
    window: DataWindow,
    held: Sequence[HeldWindow],
    *,
    any_count: bool,
    tell: Callable[[str], None],
) -> tuple[HeldWindow, Path | None]:
    """Return the accepted window, and the file of its quarantined rows."""
    folder = _folder(project, source.name)
    with _scratch(project, source.name) as scratch:
        facts = _read(source, window, scratch, tell)
        quarantine = _save_quarantine(facts, scratch, folder, window)
        check_window(source, window, facts, _earlier(held, folder, window), any_count=any_count)
        return _accept(project, source, window, facts, scratch), quarantine


def _outcome(
    held: HeldWindow, state: Literal["new", "held", "replaced", "unchanged"], quarantine: Path | None = None
) -> Fetched:
    return Fetched(held.source, state, held.window, held.rows, held.quarantined, held.path, quarantine)


def _earlier(held: Iterable[HeldWindow], folder: Path, window: DataWindow) -> list[Earlier]:
    """Return the other windows that were accepted: those that are held here, and on other branches."""
    found = {each.window.name: each for each in accepted_before(folder, window)}
    found |= {each.window.name: Earlier(each.window, each.rows) for each in held if each.window.name != window.name}
    return list(found.values())


def _require_apart(project: Project, source: DeclaredSource, window: DataWindow, held: Sequence[HeldWindow]) -> None:
    if other := overlapping(window, [each.window for each in held]):
        raise WindowError(
            f"The window {window} of the source '{source.name}' overlaps the window {other}, which is held. Choose other days, or delete '{window_path(project, source.name, other)}.dvc' first."
        )


def _require_over(source: DeclaredSource, window: DataWindow, now: datetime) -> None:
    if window.end > now:
        raise WindowError(
            f"The window {window} of the source '{source.name}' is not over: it ends at {window.end.astimezone(window.zone):%Y-%m-%d %H:%M} ({window.zone.key}). Fetch it then, or an earlier one."
        )


def _read(source: DeclaredSource, window: DataWindow, folder: Path, tell: Callable[[str], None]) -> Facts:
    """Read the source, and again after a pause that becomes longer each time, if it is down in a way that may pass."""
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

    def is_passing(error: BaseException) -> bool:
        return isinstance(error, SourceDownError) and error.passing

    def report(state: RetryCallState) -> None:
        assert state.outcome is not None
        tell(f"{state.outcome.exception()} Attempt {state.attempt_number + 1} follows in {state.upcoming_sleep:.0f} s.")

    attempts = Retrying(
        stop=stop_after_attempt(source.settings.retries + 1),
        wait=wait_exponential_jitter(_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS),
        retry=retry_if_exception(is_passing),
        before_sleep=report,
        reraise=True,
    )
    return attempts(read_in_process, source, window, folder)


@contextmanager
def _scratch(project: Project, name: str) -> Iterator[Path]:
    """Yield a folder for what is read; those of killed fetches are deleted."""
    parent = project.cache / "data" / name
    shutil.rmtree(parent, ignore_errors=True)
    parent.mkdir(parents=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)


def _save_quarantine(facts: Facts, scratch: Path, folder: Path, window: DataWindow) -> Path | None:
    """Store the quarantined rows, which only the owner can read; return the file, or None without any."""
    path = folder / f"{window.name}.quarantine.parquet"
    if not (facts.bad or facts.duplicates):
        path.unlink(missing_ok=True)
        return None
    with replacing(path, private=True) as temporary:
        create_private(temporary)
        shutil.copyfile(scratch / QUARANTINE_FILE, temporary)
    return path


def _accept(project: Project, source: DeclaredSource, window: DataWindow, facts: Facts, scratch: Path) -> HeldWindow:
    path = window_path(project, source.name, window)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_temporary([path])
    with replacing(path, durable=True) as temporary:
        shutil.copyfile(scratch / WINDOW_FILE, temporary)
    quarantined = facts.bad + (facts.duplicates if source.settings.key else 0)
    return track_window(project, source.name, window, rows=facts.rows, quarantined=quarantined)
