"""Read YAML files, in version 1.2 like DVC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import NbshipError
from ..text import one_line
from .plain_yaml import NotPlainError, parse_plain

__all__ = ["is_there", "parse_yaml", "read_yaml"]

_MAX_DEPTH = 64


def is_there(path: Path) -> bool:
    """Return whether an optional file is there, even if it cannot be read: a link to nowhere, a folder."""
    return path.exists() or path.is_symlink()


def read_yaml(path: Path, error: type[NbshipError]) -> dict[str, Any]:
    """Read a YAML 1.2 file whose top level is a mapping; empty files read as empty.

    Raises
    ------
    NbshipError
        Of the class `error`, if the file is missing, not YAML or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as cause:
        raise error(f"'{path}' cannot be read: {cause.strerror}. Check the file and its permissions.") from cause
    except UnicodeDecodeError as cause:
        raise error(f"'{path.name}' is not in UTF-8 (byte {cause.start}). Save it in UTF-8.") from cause
    return parse_yaml(text, path, error)


def parse_yaml(text: str, path: Path, error: type[NbshipError]) -> dict[str, Any]:
    """Parse the text of a YAML 1.2 file whose top level is a mapping; an empty text reads as empty.

    Raises
    ------
    NbshipError
        Of the class `error`, if the text is not YAML or not a mapping.
    """
    try:
        content = _parse_any(text, path, error)
        too_deep = _is_too_deep(content)
    except RecursionError:
        too_deep = True
    if too_deep:
        raise error(f"'{path.name}' is nested more than {_MAX_DEPTH} deep. Write it flatter.")
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise error(
            f"'{path.name}' holds a {'list' if isinstance(content, list) else 'single value'} where keys and values are expected. Write 'key: value' lines."
        )
    return content


def _parse_any(text: str, path: Path, error: type[NbshipError]) -> Any:
    try:
        return parse_plain(text)
    except NotPlainError:
        return _parse(text, path, error)


def _is_too_deep(content: Any) -> bool:
    """Return whether a walk over the content may exceed the recursion limit."""
    level, seen = [content], set[int]()
    for _ in range(_MAX_DEPTH + 1):
        nested = [item for item in level if isinstance(item, (dict, list)) and id(item) not in seen]
        # Aliases make one object part of many: without this, the level grows exponentially.
        seen.update(map(id, nested))
        level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]
    return any(isinstance(item, (dict, list)) for item in level)


def _parse(text: str, path: Path, error: type[NbshipError]) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as cause:
        mark = cause.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        # Without the values of a duplicate key, and not chained, because the cause quotes lines: they may hold passwords.
        problem = (cause.problem or "").partition(" with value ")[0]
        raise error(f"'{path.name}'{line} is not valid YAML: {problem}. Correct it there.") from None
    except (YAMLError, ValueError) as cause:
        raise error(f"'{path.name}' is not valid YAML: {one_line(cause)}. Correct it there.") from cause
