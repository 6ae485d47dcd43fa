"""Read YAML files, in version 1.2 like DVC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import NbshipError
from .plain_yaml import NotPlainError, parse_plain

__all__ = ["read_yaml"]


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
        raise error(f"'{path}' cannot be read: {cause.strerror}.") from cause
    except UnicodeDecodeError as cause:
        raise error(f"'{path.name}' is not valid YAML: {cause}. Correct it there.") from cause
    try:
        content = parse_plain(text)
    except NotPlainError:
        content = _parse(text, path, error)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise error(
            f"'{path.name}' holds a {type(content).__name__} where keys and values are expected. Write 'key: value' lines."
        )
    return content


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
        raise error(f"'{path.name}' is not valid YAML: {cause}. Correct it there.") from cause
