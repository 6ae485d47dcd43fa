"""Inspect notebooks without running them: cells, parameters, imports, paths."""

from __future__ import annotations

from .assignments import literal
from .cells import (
    RESERVED,
    code_cells,
    is_injected,
    parse_notebook,
    read_content,
    read_notebook,
    render_notebook,
    source_of,
)
from .imports import ProjectModules, reject_run_magic
from .kernels import is_installed, kernel_name, missing_kernel
from .languages import PYTHON, Language, language_of
from .magics import parse_cell
from .notebook import inspect_notebook
from .parameters import ParametersCell, find_parameters, replace_values

__all__ = [
    "PYTHON",
    "RESERVED",
    "Language",
    "ParametersCell",
    "ProjectModules",
    "code_cells",
    "find_parameters",
    "inspect_notebook",
    "is_injected",
    "is_installed",
    "kernel_name",
    "language_of",
    "literal",
    "missing_kernel",
    "parse_cell",
    "parse_notebook",
    "read_content",
    "read_notebook",
    "reject_run_magic",
    "render_notebook",
    "replace_values",
    "source_of",
]
