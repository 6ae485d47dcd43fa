"""The parameters cell of a notebook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ParameterError
from .assignments import Assignment
from .cells import RESERVED, code_cells, tags_of
from .languages import language_of

__all__ = ["ParametersCell", "find_parameters", "replace_values"]

_FIRST_LINE = re.compile(r"\s*(#|//|--|%)\s*parameters\s*(\n|$)")


@dataclass(frozen=True)
class ParametersCell:
    """The parameters cell of a notebook.

    Attributes
    ----------
    index
        Its index among the notebook's cells.
    tagged
        False if only its first line `# parameters` marks it.
    """

    index: int
    source: str
    tagged: bool
    assignments: Mapping[str, Assignment]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters' values, without `upstream`, `product` and `resources_`."""
        return {name: found.value for name, found in self.assignments.items() if name not in RESERVED}


def find_parameters(notebook: Mapping[str, Any], *, name: str) -> ParametersCell | None:
    """Find the parameters cell: tagged `parameters`, or beginning with the line `# parameters`.

    Raises
    ------
    ParameterError
        If there are two, or it holds a parameter twice or with a value that is not a literal.
    """
    code = list(code_cells(notebook))
    tagged = [(index, source) for index, source in code if "parameters" in tags_of(notebook["cells"][index])]
    found = tagged or [(index, source) for index, source in code if _FIRST_LINE.match(source)]
    if not found:
        return None
    if len(found) > 1:
        numbers = " and ".join(str(index + 1) for index, _ in found)
        raise ParameterError(f"'{name}' has more than one parameters cell (cells {numbers}). Keep one of them.")
    index, source = found[0]
    assignments = language_of(notebook).assignments(source, name=name)
    return ParametersCell(index, source, bool(tagged), assignments)


def replace_values(cell: ParametersCell, texts: Mapping[str, str]) -> str:
    """Return the cell's source with some values replaced; comments and other code are unchanged.

    Values are replaced from the last to the first, so that the positions of the others stay valid.
    """
    lines = [line.encode() for line in cell.source.split("\n")]
    replaced = sorted(((cell.assignments[name], text) for name, text in texts.items()), key=lambda each: each[0].start)
    for found, text in reversed(replaced):
        (first, left), (last, right) = found.start, found.end
        merged = lines[first - 1][:left] + text.encode() + lines[last - 1][right:]
        lines[first - 1 : last] = [merged]
    return b"\n".join(lines).decode()
