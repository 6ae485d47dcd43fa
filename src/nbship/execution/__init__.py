"""Run notebooks as stages: the same inputs give the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .environment import with_own_programs
    from .html import render_html
    from .kernels import Executed, Failure, Usage, execute
    from .lab import lab_command, lab_environment, write_jupyter_files
    from .normalization import normalize
    from .parent_watch import stop_with_parents
    from .runner import run
    from .stage_command import run_named
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Executed",
    "Failure",
    "Usage",
    "execute",
    "lab_command",
    "lab_environment",
    "normalize",
    "render_html",
    "run",
    "run_named",
    "stop_with_parents",
    "with_own_programs",
    "write_jupyter_files",
]
