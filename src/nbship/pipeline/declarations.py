"""The stages declared in `dvc.yaml`, with the current values of their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..dvcstore import DeclaredStage
from ..errors import SettingsError
from ..project import Project, read_yaml
from .libraries import LIBRARIES, read_libraries
from .placeholders import look_up

__all__ = ["declare"]


def declare(project: Project, dvc_yaml: Mapping[str, Any]) -> Mapping[str, DeclaredStage]:
    """Return all stages of `dvc.yaml` (the result of `derive`), that of the notebooks' copies first."""
    values = _Values(project)
    return {name: _declared(name, content, values) for name, content in dvc_yaml["stages"].items()}


def _declared(name: str, content: Mapping[str, Any], values: _Values) -> DeclaredStage:
    return DeclaredStage(
        name=name,
        command=content["cmd"],
        files=tuple(content.get("deps", ())),
        params={file: {key: values(file, key) for key in keys} for file, keys in _keys(content.get("params", ()))},
        cached=tuple(content.get("outs", ())),
        tracked=tuple(path for kind in ("metrics", "plots") for each in content.get(kind, ()) for path in each),
        always_runs=content.get("always_changed", False),
    )


def _keys(params: Iterable[Any]) -> Iterable[tuple[str, list[str]]]:
    yield "params.yaml", [key for key in params if isinstance(key, str)]
    for item in params:
        if isinstance(item, Mapping):
            yield from item.items()


class _Values:
    """Looks parameters up in their files."""

    def __init__(self, project: Project) -> None:
        settings = project.root / "nbship.yaml"
        self._read: Mapping[str, Callable[[], Mapping[str, Any]]] = {
            "params.yaml": lambda: project.params,
            "nbship.yaml": lambda: read_yaml(settings, SettingsError) if settings.is_file() else {},
            str(LIBRARIES): lambda: read_libraries(project).versions,
        }
        self._known: dict[str, Mapping[str, Any]] = {}

    def __call__(self, file: str, key: str) -> Any:
        if file not in self._known:
            self._known[file] = self._read[file]()
        known = self._known[file]
        return known[key] if key in known else look_up(known, key, where="dvc.yaml")
