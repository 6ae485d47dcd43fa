"""Write parameters and files for notebooks in other languages, with papermill's translators.

Values that a language would receive changed are rejected: papermill escapes strings for Python, and has no mappings
in some languages.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ..errors import ParameterError
from ..pipeline.inspection import RESERVED
from ..project import Value
from .parameter_values import check_value

__all__ = ["translate"]

_NOTE = "Filled in by nbship: the parameters and files of this run, relative to the notebook's folder."
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Strings that need no escapes between double quotes in any language of papermill's translators.
_PLAIN = re.compile(r'[^\\"$`\x00-\x1f\x7f-\U0010ffff]*')
_MAX_INTEGER = {"r": 2**53}  # R's numbers are doubles


def translate(
    params: Mapping[str, Value],
    files: Mapping[str, Value],
    *,
    kernel: str,
    language: str,
    notebook: str,
    note: str = _NOTE,
) -> str | None:
    """Return the source of a cell that sets parameters and files; None if papermill has no translator.

    Parameters
    ----------
    files
        `upstream`, `product` and `resources_`. In languages without mappings, each path becomes its own variable, such
        as `product_table`.
    notebook
        The notebook's name in errors.
    note
        The comment on the first line.

    Raises
    ------
    ParameterError
        For a parameter that cannot be written unchanged in the language.
    """
    translator = _translator(kernel, language)
    for name, value in params.items():
        _check_name(name, language=language)
        check_value(name, value)
        if translator is None:
            raise ParameterError(
                f"The parameter '{name}' cannot be passed to '{notebook}': papermill does not write parameters in {language}. "
                "Remove it from the task's 'params' in pipeline.yaml, and set the value in the notebook."
            )
        _check_translatable(f"The parameter '{name}' of '{notebook}'", value, translator, language=language)
    if translator is None:
        return None
    written = files if _has_mappings(translator) else _flatten(files, reserved=params)
    for name, value in written.items():
        _check_translatable(f"The path '{name}' of '{notebook}'", value, translator, language=language)
    return str(translator.codify({**params, **written}, comment=note)).rstrip("\n")


@lru_cache(maxsize=1)
def _papermill_translators() -> Any:
    """Return papermill's translators, without running papermill's `__init__`, which imports all engines and matplotlib."""
    spec = find_spec("papermill")
    package = ModuleType("_papermill")
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    sys.modules[package.__name__] = package
    return import_module("_papermill.translators").papermill_translators


def _translator(kernel: str, language: str) -> Any:
    known = _papermill_translators()
    for name in dict.fromkeys((language, language.lower())):
        try:
            translator = known.find_translator(kernel, name)
        except Exception:  # papermill raises a plain exception for an unknown language
            continue
        quote = _QUOTES.get(language.lower())
        if quote is None:
            return translator
        return type(translator.__name__, (translator,), {"translate_escaped_str": staticmethod(quote)})
    return None


def _quote(text: str) -> str:
    """Write a string with the escapes that JSON, R and Julia share."""
    return json.dumps(text, ensure_ascii=False)


def _quote_for_julia(text: str) -> str:
    return _quote(text).replace("$", "\\$")


def _quote_for_bash(text: str) -> str:
    # The shell treats a control character as a key press: a tab starts completion.
    if text.isprintable():
        return shlex.quote(text)
    escaped = (
        f"\\x{ord(char):02x}" if char < " " or char in "!\x7f" else f"\\{char}" if char in "\\'" else char
        for char in text
    )
    return f"$'{''.join(escaped)}'"


_QUOTES = {"r": _quote, "julia": _quote_for_julia, "bash": _quote_for_bash}


def _check_name(name: str, *, language: str) -> None:
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"'{name}' cannot be the name of a parameter in {language}. Use letters, digits and '_', starting with a letter."
        )
    if name in RESERVED:
        raise ParameterError(f"'{name}' cannot be the name of a parameter: it names files. Use another name.")


def _check_translatable(subject: str, value: Value, translator: Any, *, language: str) -> None:
    remedy = "Pass the path of a file that holds it."
    try:
        translator.translate(value)
    except NotImplementedError:
        kind = "mapping" if isinstance(value, dict) else "list" if isinstance(value, list) else "value"
        raise ParameterError(f"{subject} is a {kind} that papermill cannot write in {language}. {remedy}") from None
    if language.lower() == "bash" and isinstance(value, list) and any(isinstance(inner, list) for inner in value):
        raise ParameterError(f"{subject} is a list of lists, which bash does not support. {remedy}")
    max_integer = _MAX_INTEGER.get(language.lower())
    for inner in _leaves(value):
        if isinstance(inner, str) and (
            "\0" in inner or (language.lower() not in _QUOTES and not _PLAIN.fullmatch(inner))
        ):
            raise ParameterError(
                f"{subject} contains characters that papermill does not write unchanged in {language}. {remedy}"
            )
        if type(inner) is int and max_integer is not None and abs(inner) > max_integer:
            raise ParameterError(f"{subject} is {inner}, which {language} cannot hold exactly. Pass it as a string.")


def _leaves(value: Value) -> Iterator[Value]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _has_mappings(translator: Any) -> bool:
    try:
        translator.translate({})
    except NotImplementedError:
        return False
    return True


def _flatten(files: Mapping[str, Value], *, reserved: Mapping[str, Value]) -> dict[str, Value]:
    """Return one variable for each path; two with the same name are an error.

    >>> _flatten({"product": {"nb": "a.ipynb"}, "resources_": {"raw": "b.csv"}, "upstream": {"load-all": {"x": "c"}}}, reserved={})
    {'product_nb': 'a.ipynb', 'resources_raw': 'b.csv', 'upstream_load_all_x': 'c'}
    """
    flat: dict[str, Value] = {}
    for name, path in _paths(files):
        if name in flat or name in reserved:
            raise ParameterError(
                f"Two values would become the variable '{name}'. Rename a product, stage or parameter."
            )
        flat[name] = path
    return flat


def _paths(files: Value | Mapping[str, Value], name: str = "") -> Iterator[tuple[str, Value]]:
    if isinstance(files, Mapping):
        for key, inner in files.items():
            part = re.sub(r"[^A-Za-z0-9_]", "_", key)
            yield from _paths(inner, f"{name.rstrip('_')}_{part}" if name else part)
    elif files is not None:
        yield name, files
