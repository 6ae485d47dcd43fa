"""The environment of a stage's kernel: pinned, and without the variables of a terminal or an editor."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..notebook import PINNED, Context
from ..pipeline import Stage
from ..project import Project

__all__ = ["kernel_environment", "shared_environment", "with_own_programs"]

# Variables that make outputs depend on the terminal, or a notebook believe that it runs by hand.
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
# Progress bars print timings, and matplotlib writes the current date into figures unless this variable sets one.
_REPRODUCIBLE = {"TQDM_DISABLE": "1", "SOURCE_DATE_EPOCH": "315532800"}


def kernel_environment(project: Project, stage: Stage, *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the complete environment of the kernel of `stage`."""
    context = Context(stage=stage.name, root=project.root, params=tuple(stage.params), settings=tuple(stage.settings))
    return {**shared_environment(project, environ=environ), **context.variables()}


def shared_environment(project: Project, *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that all kernels of a project share."""
    inherited = {key: value for key, value in environ.items() if key not in _DROPPED}
    python_path = [str(project.source), *filter(None, [environ.get("PYTHONPATH")])]
    return {**with_own_programs(inherited), **PINNED, **_REPRODUCIBLE, "PYTHONPATH": os.pathsep.join(python_path)}


def with_own_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with this interpreter's programs first on PATH, even if its environment is not activated."""
    return {**environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])}
