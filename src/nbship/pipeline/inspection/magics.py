"""Replace the IPython magics of a cell, so that the rest parses as Python."""

from __future__ import annotations

import ast
import re

__all__ = ["parse_cell", "without_magics"]

_LINE = re.compile(r"^(\s*)(%|!|\?|/[A-Za-z_])")
_HELP = re.compile(r"^(\s*)[\w.%*]+\?{1,2}\s*$")
_ASSIGNED = re.compile(r"^(\s*[A-Za-z_][\w.,\s\[\]'\"]*=\s*)[%!](?!=)")
# Cell magics whose body is Python and runs in the notebook's kernel.
_PYTHON_CELLS = {"time", "timeit", "capture", "prun"}


def without_magics(source: str) -> str:
    """Replace magics (`%`, `!`, `?`) by `pass` or `None`; other code keeps its lines and columns.

    >>> without_magics("%matplotlib inline\\nx = 1\\nfiles = !ls")
    'pass\\nx = 1\\nfiles = None'
    """
    first = source.lstrip().split("\n", 1)[0]
    if first.startswith("%%") and first[2:].split(" ")[0].strip() not in _PYTHON_CELLS:
        return "\n" * source.count("\n")
    lines = source.split("\n")
    if _parsed(source):
        return source
    return "\n".join(_continued(lines))


def parse_cell(source: str) -> ast.Module | None:
    """Parse a cell, with top-level `await`; None if it is not Python."""
    return _parsed(source) or _parsed(without_magics(source))


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _continued(lines: list[str]) -> list[str]:
    replaced, carries = [], False
    for line in lines:
        if carries:
            carries = line.endswith("\\")
            replaced.append("")
            continue
        plain = _plain(line)
        carries = plain != line and line.endswith("\\")
        replaced.append(plain)
    return replaced


def _plain(line: str) -> str:
    if match := _ASSIGNED.match(line):
        return f"{match[1]}None"
    if match := _LINE.match(line) or _HELP.match(line):
        return f"{match[1]}pass"
    return line
