"""Parameters are typed data, never code: they arrive in the kernel with their value and type, or are rejected."""

from __future__ import annotations

import ast
import datetime
import decimal
import keyword
import numbers
import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from ..errors import ParameterError
from ..pipeline.inspection import literal
from ..project import same

__all__ = ["check_name", "check_value"]

# Names that the kernel sets before or after each cell.
_KERNEL_NAMES = re.compile(r"_+|_i+|_i?\d+|_[ido]h|_exit_code|In|Out|get_ipython|__\w*__")
_MAX_DEPTH = 50
_REMEDIES: tuple[tuple[Any, str], ...] = (
    (bool, "bool(value)"),
    (numbers.Integral, "int(value)"),
    (decimal.Decimal, "float(value) or str(value)"),
    (numbers.Real, "float(value)"),
    (str, "str(value)"),
    ((datetime.date, datetime.time), "value.isoformat()"),
    (PurePath, "str(value)"),
    (Mapping, "dict(value)"),
    ((tuple, set, frozenset), "list(value)"),
)


def check_name(name: object) -> None:
    """Check that a parameter's name is a plain Python name that the kernel does not set.

    Raises
    ------
    ParameterError
        For example for `"x\\nprint"`, `"lambda"`, `"__builtins__"` and `"_"`.
    """
    if type(name) is not str or not name.isidentifier() or keyword.iskeyword(name):
        raise ParameterError(f"{name!r} cannot be the name of a parameter. Use a plain Python name.")
    if unicodedata.normalize("NFKC", name) != name:
        plain = unicodedata.normalize("NFKC", name)
        raise ParameterError(
            f"'{name}' cannot be the name of a parameter: Python reads it as '{plain}'. Use '{plain}'."
        )
    if _KERNEL_NAMES.fullmatch(name):
        raise ParameterError(
            f"'{name}' cannot be the name of a parameter: the kernel sets this variable. Use another name."
        )


def check_value(name: str, value: Any) -> None:
    """Check that a value reaches a kernel unchanged in value and type.

    Raises
    ------
    ParameterError
        For a value that is not None, a boolean, a finite number, a string, or a list or mapping (with strings as keys)
        of these. The message names the conversion.
    """
    problem = _problem(value) or _too_large(value)
    if problem:
        raise ParameterError(
            f"The parameter '{name}' is a {_type_name(type(value))} that cannot be passed unchanged{problem}"
        )


def _problem(value: Any, depth: int = 0) -> str:
    """Return the reason why a value cannot be passed, and the remedy; empty if it can."""
    kind = type(value)
    if depth > _MAX_DEPTH:
        return ": it is nested too deeply. Pass the path of a file that holds it."
    if kind is list:
        return next((found for inner in value if (found := _problem(inner, depth + 1))), "")
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return f": it has the key {key!r}, which is not a string. Put it in quotes."
        return _problem([*value, *value.values()], depth)
    if kind is str and not _is_unicode(value):
        return ": it holds a lone surrogate, which no file can hold. Remove it."
    if kind is float and value - value != 0:
        return f": parameters must be finite. Pass null, and convert it in the notebook: float('{value}')."
    if kind in {type(None), bool, int, float, str}:
        return ""
    return (f": it holds a {_type_name(kind)}. " if depth else ". ") + _remedy(value)


def _too_large(value: Any) -> str:
    try:
        passes = same(ast.literal_eval(literal(value)), value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        passes = False
    return "" if passes else ": it is too large. Pass the path of a file that holds it."


def _remedy(value: Any) -> str:
    if type(value).__name__ in ("bool", "bool_"):  # NumPy's boolean, which is not a `numbers.Number`
        return "Pass bool(value)."
    if hasattr(value, "tolist") and not isinstance(value, numbers.Number):
        return "Pass value.tolist()."
    found = next((remedy for kinds, remedy in _REMEDIES if isinstance(value, kinds)), None)
    return f"Pass {found}." if found else "Use a number, string, boolean, null, or a list or mapping of these."


def _type_name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
