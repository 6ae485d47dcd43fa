"""Look-up by a dotted key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["value_at"]

_REQUIRED = object()


def value_at(content: Any, key: str, *, default: Any = _REQUIRED) -> Any:
    """Return the value of a dotted key in nested mappings.

    Raises
    ------
    KeyError
        If there is none, and no default.

    Examples
    --------
    >>> value_at({"train": {"rate": 0.1}}, "train.rate")
    0.1
    >>> value_at({"train": {}}, "train.rate.first", default=None) is None
    True
    """
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            if default is _REQUIRED:
                raise KeyError(key)
            return default
        content = content[part]
    return content
