"""The pinned production model: a package folder that DVC tracks, an input of the gate's stage.

The stage compares with these files and not with the registry, so that it is a function of the checkout. The pin is a copy
of what production is, and may be behind it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..atomic_write import replacing_folder, write_whole
from ..dvcstore import Cache, Digests, RepositoryLock, ignore_in_git, read_content, read_repository
from ..errors import RegistryError
from ..project import Project, read_yaml
from .approvals import approved_version, approvers_of
from .contents import fetch_version
from .history import PRODUCTION
from .registry import Registry, open_registry

__all__ = ["Pin", "behind_pins", "is_behind", "pin", "pin_path", "read_pin"]


@dataclass(frozen=True)
class Pin:
    """The version that a project has pinned; without values, none was in production.

    Attributes
    ----------
    version
        Such as `v1.2.0`.
    digest
        SHA-256 of the package's manifest.
    tag
        The tag that put it into production.
    """

    model: str = ""
    version: str = ""
    digest: str = ""
    tag: str = ""


def pin_path(project: Project, model: str) -> Path:
    """Return the folder of the pinned model: `models/production`, or `models/production/<model>` in a project with several."""
    folder = project.root / "models" / PRODUCTION
    return folder / model if len(project.packages) > 1 else folder


def read_pin(project: Project, model: str) -> Pin | None:
    """Return what is pinned; None if the project pins nothing.

    Raises
    ------
    RegistryError
        If the `.dvc` file is damaged.
    """
    file = _file(pin_path(project, model))
    if not file.is_file():
        return None
    meta = read_yaml(file, RegistryError).get("meta") or {}
    found: Mapping[str, Any] = meta if isinstance(meta, Mapping) else {}
    return Pin(**{name: str(found.get(name) or "") for name in Pin.__dataclass_fields__})


def is_behind(registry: Registry, model: str) -> bool:
    """Tell whether production is another version than the pinned one; False if the project pins nothing."""
    pinned = read_pin(registry.project, model)
    current = registry.history(model).current(PRODUCTION)
    return pinned is not None and pinned.version != (current.name if current else "")


def behind_pins(project: Project) -> list[str]:
    """Return a sentence for each pin of a project that is behind production; quick where the project pins nothing."""
    pinned = {model: found for model in project.packages if (found := read_pin(project, model)) is not None}
    if not pinned:
        return []
    try:
        registry = open_registry(project)
        return [_behind(registry, model, found) for model, found in pinned.items() if is_behind(registry, model)]
    except RegistryError as error:
        return [f"The pinned production model cannot be compared with the registry: {error}"]


def _behind(registry: Registry, model: str, pinned: Pin) -> str:
    current = registry.history(model).current(PRODUCTION)
    return (
        f"The pinned production model of '{model}' is behind: it is {pinned.version or 'no version'}, and production is "
        f"{current.name if current else 'no version'}. Bring it up to date: `nbship models pin`."
    )


def pin(registry: Registry, model: str) -> list[Path]:
    """Pin the current production version, or an empty folder without one; return the files to commit.

    Parameters
    ----------
    model
        The model's name.

    Raises
    ------
    RegistryError
        If neither DVC's cache nor its remote has the package.
    ApprovalError
        If the production version lacks an approval.
    PipelineError
        If the project is in no DVC repository.
    """
    project = registry.project
    history, folder = registry.history(model), pin_path(project, model)
    version = approved_version(history, PRODUCTION, approvers=approvers_of(project))
    if version is None:
        with replacing_folder(folder):
            pass
        about = Pin(model=model)
    else:
        manifest = fetch_version(project, registry.git, version, folder)
        about = Pin(model, version.name, manifest.digest, history.assignments[PRODUCTION][-1].event.tag)
    repository, digests = read_repository(project.root), Digests(project.cache / "digests.json")
    cache = Cache(repository, digests)
    content = read_content(folder, digests)
    if content is None:
        raise RegistryError(f"'{folder}' was deleted while it was pinned. Pin it again: `nbship models pin`.")
    with RepositoryLock(repository)():
        cache.add(folder, content)
        cache.relink(folder, content)
    digests.save()
    entry = {
        "md5": content.md5,
        "size": content.size,
        "nfiles": len(content.files or ()),
        "hash": "md5",
        "path": folder.name,
    }
    file = _file(folder)
    write_whole(
        file, _rendered({"outs": [entry], "meta": {key: value for key, value in asdict(about).items() if value}})
    )
    ignored = ignore_in_git(repository.git, [folder]) if repository.git else []
    return [file, *ignored]


def _file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.dvc")


def _rendered(content: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(pure=True)
    yaml.default_flow_style = False
    text = io.StringIO()
    yaml.dump(dict(content), text)
    return text.getvalue()
