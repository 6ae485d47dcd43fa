"""The configuration of a DVC repository, from all configuration levels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from .digests import md5_of_text

__all__ = ["Repository", "config_files", "find_repository", "read_repository"]

_LINKS = ("reflink", "hardlink", "symlink", "copy")
# The options that are read here; a file without them is not parsed.
_RELEVANT = re.compile(r"(?i)cache|hardlink_lock|no_scm|autostage|remote")


@dataclass(frozen=True)
class Repository:
    """A DVC repository.

    Attributes
    ----------
    root
        The folder that holds `.dvc`.
    cache
        The cache folder, with `files/md5` and the run cache `runs`.
    links
        Link types between products and the cache, in order of preference.
    shared
        Whether a group of users writes to the cache (`cache.shared = group`).
    hardlink_lock
        Whether locks are hard links instead of file locks of the operating system.
    git
        Root of the surrounding Git repository; None without one, or if DVC is configured to ignore it.
    autostage
        Whether changed files are added to Git's index (`core.autostage`).
    remote
        The name of the default remote (`core.remote`); empty without one.
    """

    root: Path
    cache: Path
    links: tuple[str, ...] = ("reflink", "copy")
    shared: bool = False
    hardlink_lock: bool = False
    git: Path | None = None
    autostage: bool = False
    remote: str = ""

    @property
    def tmp(self) -> Path:
        """DVC's folder for locks."""
        return self.root / ".dvc" / "tmp"

    @property
    def unfinished(self) -> Path:
        """The folder in the cache for files that are being written; one per repository, since several may share a cache."""
        return self.cache / "nbship" / md5_of_text(str(self.root))[:12]


def read_repository(start: Path) -> Repository:
    """Return the DVC repository of a folder.

    Raises
    ------
    PipelineError
        If there is none, or its configuration is not supported.
    """
    root = find_repository(start)
    if root is None:
        raise PipelineError(f"'{start}' is not in a DVC repository. Run `dvc init` there.")
    core: dict[str, Any] = {}
    cache: dict[str, Any] = {}
    for path in _files(root):
        content = _read(path)
        core |= _section(content, "core")
        found = _section(content, "cache")
        if "dir" in found:
            found["dir"] = path.parent / Path(str(found["dir"])).expanduser()
        cache |= found
    if "local" in cache:
        raise PipelineError(
            f"DVC's configuration names the remote '{cache['local']}' as the cache, which nbship does not support. Set a folder: `dvc cache dir PATH`."
        )
    return Repository(
        root=root,
        cache=Path(os.path.normpath(cache.get("dir", root / ".dvc" / "cache"))),
        links=_links(cache.get("type")),
        shared=str(cache.get("shared", "")).lower() == "group",
        hardlink_lock=_is_true(core.get("hardlink_lock")),
        git=None if _is_true(core.get("no_scm")) else _git(root),
        autostage=_is_true(core.get("autostage")),
        remote=str(core.get("remote") or ""),
    )


def find_repository(start: Path) -> Path | None:
    """Return the nearest folder at or above `start` that is a DVC repository; None if there is none."""
    return next((folder for folder in (start, *start.parents) if (folder / ".dvc").is_dir()), None)


def config_files(start: Path) -> list[Path]:
    """Return the configuration files of a folder's repository, whether they exist or not; none without a repository."""
    root = find_repository(start)
    return [] if root is None else list(_files(root))


def _files(root: Path) -> Iterator[Path]:
    """Yield the configuration files, in order of increasing precedence."""
    import platformdirs

    system = os.getenv("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative")
    user = os.getenv("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative")
    yield from (Path(system) / "config", Path(user) / "config", root / ".dvc/config", root / ".dvc/config.local")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    if not _RELEVANT.search(text):
        return {}
    from configobj import ConfigObj, ConfigObjError  # type: ignore[import-untyped]

    try:
        content: Mapping[str, Any] = ConfigObj(text.splitlines()).dict()
    except ConfigObjError as error:
        raise PipelineError(f"DVC's configuration '{path}' cannot be read: {error}. Correct it there.") from error
    return content


def _section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    sections = {key.lower(): value for key, value in content.items()}
    return {key.lower(): value for key, value in sections.get(name, {}).items()}


def _links(given: Any) -> tuple[str, ...]:
    if not given:
        return Repository.links
    names = tuple(name.strip() for name in (given.split(",") if isinstance(given, str) else given))
    for name in names:
        if name not in _LINKS:
            raise PipelineError(
                f"DVC's configuration has an unknown cache type '{name}'. Use one of {', '.join(_LINKS)}: `dvc config cache.type`."
            )
    return names


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _git(root: Path) -> Path | None:
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
