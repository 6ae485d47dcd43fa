"""What a notebook says of itself: cells, parameters, imports, paths."""

from __future__ import annotations

from .cells import (
    RESERVED,
    ParametersCell,
    code_cells,
    find_parameters,
    is_injected,
    literal,
    parse_notebook,
    read_content,
    read_notebook,
    replace_values,
    source_of,
)
from .imports import Sources, refuse_run
from .magics import parse_cell
from .notebook import read_facts

__all__ = [
    "RESERVED",
    "ParametersCell",
    "Sources",
    "code_cells",
    "find_parameters",
    "is_injected",
    "literal",
    "parse_cell",
    "parse_notebook",
    "read_content",
    "read_facts",
    "read_notebook",
    "refuse_run",
    "replace_values",
    "source_of",
]
