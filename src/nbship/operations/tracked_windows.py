"""The windows that a project holds: files that DVC tracks, each with a `.dvc` file of its own.

Git merges branches that add different windows, since no file of one is a file of another. A stage that reads the folder of a
source depends on all of its windows: a new one makes it stale.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ..atomic_write import write_if_changed, write_whole
from ..data.sources import DataWindow
from ..dvcstore import Cache, Digests, RepositoryLock, add_to_git, read_content, read_repository
from ..errors import PipelineError, StageError
from ..project import Project, read_yaml

__all__ = ["HeldWindow", "held_windows", "restore_window", "track_window", "window_path"]

_SUFFIX = ".parquet.dvc"


@dataclass(frozen=True)
class HeldWindow:
    """A window that DVC tracks.

    Attributes
    ----------
    path
        Its file, which is not there before `dvc pull` or `dvc checkout`.
    """

    source: str
    window: DataWindow
    path: Path
    rows: int
    quarantined: int
    size: int
    md5: str


def window_path(project: Project, name: str, window: DataWindow) -> Path:
    """Return the file of a window of a source."""
    return project.root / project.settings.data.folder / name / f"{window.name}.parquet"


def held_windows(project: Project, name: str) -> list[HeldWindow]:
    """Return the windows of a source, the first day first."""
    folder = project.root / project.settings.data.folder / name
    found = (_held(project, name, path) for path in sorted(folder.glob(f"*{_SUFFIX}")))
    return [each for each in found if each is not None]


def track_window(project: Project, name: str, window: DataWindow, *, rows: int, quarantined: int) -> HeldWindow:
    """Add the file of a window to DVC's cache, and write its `.dvc` file.

    Raises
    ------
    StageError
        If the file changes meanwhile.
    """
    path = window_path(project, name, window)
    repository, digests = read_repository(project.root), Digests(project.cache / "digests.json")
    cache = Cache(repository, digests)
    content = read_content(path, digests)
    if content is None:
        raise StageError(f"'{path}' was deleted while it was added to DVC. Fetch the window again.")
    # One line for all windows: branches that add windows do not conflict in it.
    write_if_changed(path.parent / ".gitignore", "/*.parquet\n")
    with RepositoryLock(repository)():
        cache.add(path, content)
        cache.relink(path, content)
    counts = {"from": str(window.first), "to": str(window.to), "rows": rows, "quarantined": quarantined}
    entry = {"md5": content.md5, "size": content.size, "hash": "md5", "path": path.name}
    file = path.with_name(f"{path.name}.dvc")
    write_whole(file, _rendered({"outs": [entry], "meta": {"nbship": counts}}), durable=True)
    if repository.autostage and repository.git:
        add_to_git(repository.git, [file, path.parent / ".gitignore"])
    return HeldWindow(name, window, path, rows, quarantined, content.size, content.md5)


def restore_window(project: Project, held: HeldWindow) -> None:
    """Put the file of a window back, if it is missing or not what was accepted, and DVC's cache has it."""
    repository, digests = read_repository(project.root), Digests(project.cache / "digests.json")
    if digests.md5(held.path) != held.md5:
        cache = Cache(repository, digests)
        with RepositoryLock(repository)():
            if cache.is_intact(held.md5):
                cache.link(held.md5, held.path)


def _held(project: Project, name: str, file: Path) -> HeldWindow | None:
    """Return the window of a `.dvc` file; None if another program wrote it."""
    content = read_yaml(file, PipelineError)
    try:
        counts, (out,) = content["meta"]["nbship"], content["outs"]
        first, to = (date.fromisoformat(str(counts[key])) for key in ("from", "to"))
        numbers = int(counts["rows"]), int(counts["quarantined"]), int(out["size"])
        window = DataWindow(first, to, project.timezone)
        return HeldWindow(name, window, file.with_suffix(""), *numbers, str(out["md5"]))
    except (KeyError, TypeError, ValueError):
        return None


def _rendered(content: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(pure=True)
    yaml.default_flow_style = False
    text = io.StringIO()
    yaml.dump(dict(content), text)
    return text.getvalue()
