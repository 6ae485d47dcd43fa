"""What a notebook says of itself: cells, parameters, imports, paths."""

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
from .imports import Sources, refuse_run
from .kernels import is_installed, kernel_name, missing_kernel
from .languages import PYTHON, Language, language_of
from .magics import parse_cell
from .notebook import read_facts
from .parameters import ParametersCell, find_parameters, replace_values

__all__ = [
    "PYTHON",
    "RESERVED",
    "Language",
    "ParametersCell",
    "Sources",
    "code_cells",
    "find_parameters",
    "is_injected",
    "is_installed",
    "kernel_name",
    "language_of",
    "literal",
    "missing_kernel",
    "parse_cell",
    "parse_notebook",
    "read_content",
    "read_facts",
    "read_notebook",
    "refuse_run",
    "render_notebook",
    "replace_values",
    "source_of",
]
