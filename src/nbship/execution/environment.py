"""The environment of a stage's kernel: pinned, and free of what a terminal or an editor left there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..notebook import PINNED, Context
from ..pipeline import Stage
from ..project import Project

__all__ = ["kernel_environment", "parent_environment", "with_own_programs"]

# What would change a notebook's outputs from one terminal to the next, or make it think that a person runs it.
_DROPPED = (
    "COLUMNS",
    "DVC_ROOT",
    "DVC_STAGE",
    "FORCE_COLOR",
    "JPY_SESSION_NAME",
    "LANG",
    "LANGUAGE",
    "LINES",
    "MPLBACKEND",
    "NO_COLOR",
    "PYTHONINSPECT",
    "PYTHONOPTIMIZE",
    "PYTHONSAFEPATH",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
)
# Progress bars hold timings; drawings hold the date, unless told one.
_TAMED = {"TQDM_DISABLE": "1", "SOURCE_DATE_EPOCH": "315532800"}


def kernel_environment(project: Project, stage: Stage, *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the kernel that runs `stage`."""
    context = Context(stage=stage.name, root=project.root, params=tuple(stage.params), settings=tuple(stage.settings))
    return {**parent_environment(project, environ=environ), **context.variables()}


def parent_environment(project: Project, *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the environments of all kernels of a project have in common."""
    kept = {key: value for key, value in environ.items() if key not in _DROPPED}
    python_path = [str(project.source), *filter(None, [environ.get("PYTHONPATH")])]
    return {**with_own_programs(kept), **PINNED, **_TAMED, "PYTHONPATH": os.pathsep.join(python_path)}


def with_own_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """Put this interpreter's programs first on the path, also when its environment is not activated."""
    return {**environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])}
