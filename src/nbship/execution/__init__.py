"""Run notebooks as stages: the same inputs give the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .environment import with_own_programs
    from .html import import_renderer, render_html
    from .kernels import Executed, Failure, RunForkServer, Usage, execute
    from .lab import lab_command, lab_environment, write_jupyter_files
    from .normalization import normalize
    from .parallel import run_in_order
    from .parent_watch import stop_with_parents
    from .redaction import project_redactor, redact_executed
    from .runner import run
    from .stage_command import run_named
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Executed",
    "Failure",
    "RunForkServer",
    "Usage",
    "execute",
    "import_renderer",
    "lab_command",
    "lab_environment",
    "normalize",
    "project_redactor",
    "redact_executed",
    "render_html",
    "run",
    "run_in_order",
    "run_named",
    "stop_with_parents",
    "with_own_programs",
    "write_jupyter_files",
]
