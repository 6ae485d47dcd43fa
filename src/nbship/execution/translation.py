"""Parameters and files for a notebook in another language, as papermill's translators write them.

What the language would receive as another value is refused: papermill escapes strings as Python does, and has no
mappings in some languages.
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
from .parameter_values import refuse_value

__all__ = ["translate"]

_NOTE = "Filled in by nbship: the parameters and files of this run, relative to the notebook's folder."
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Strings that mean themselves between double quotes in every language that papermill translates to.
_PLAIN = re.compile(r'[^\\"$`\x00-\x1f\x7f-\U0010ffff]*')
_LARGEST = {"r": 2**53}  # its numbers are doubles


def translate(
    params: Mapping[str, Value],
    files: Mapping[str, Value],
    *,
    kernel: str,
    language: str,
    notebook: str,
    note: str = _NOTE,
) -> str | None:
    """Return the source of the cell that sets parameters and files; None if papermill does not know the language.

    Parameters
    ----------
    files
        `upstream`, `product` and `resources_`. Where the language has no mappings, each path becomes a variable of
        its own, such as `product_table`.
    notebook
        How errors call it.
    note
        The comment in the first line.

    Raises
    ------
    ParameterError
        For a parameter that cannot be written in the language as the value that it is.
    """
    translator = _translator(kernel, language)
    for name, value in params.items():
        _refuse_name(name, language=language)
        refuse_value(name, value)
        if translator is None:
            raise ParameterError(
                f"The parameter '{name}' cannot be passed to {notebook}: papermill does not write parameters in {language}. "
                "Remove it from the task's 'params' in pipeline.yaml, and set the value in the notebook."
            )
        _refuse_untranslated(f"The parameter '{name}' of {notebook}", value, translator, language=language)
    if translator is None:
        return None
    written = files if _has_mappings(translator) else _flat(files, taken=params)
    for name, value in written.items():
        _refuse_untranslated(f"The path '{name}' of {notebook}", value, translator, language=language)
    return str(translator.codify({**params, **written}, comment=note)).rstrip("\n")


@lru_cache(maxsize=1)
def _known() -> Any:
    """Return papermill's translators, imported without its `__init__`, which imports every engine and matplotlib."""
    spec = find_spec("papermill")
    package = ModuleType("_papermill")
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    sys.modules[package.__name__] = package
    return import_module("_papermill.translators").papermill_translators


def _translator(kernel: str, language: str) -> Any:
    known = _known()
    for name in dict.fromkeys((language, language.lower())):
        try:
            found = known.find_translator(kernel, name)
        except Exception:  # papermill's own, which it raises for nothing else
            continue
        quote = _QUOTES.get(language.lower())
        if quote is None:
            return found
        return type(found.__name__, (found,), {"translate_escaped_str": staticmethod(quote)})
    return None


def _quoted(text: str) -> str:
    """Write a string with the escapes that JSON, R and Julia share."""
    return json.dumps(text, ensure_ascii=False)


def _quoted_for_julia(text: str) -> str:
    return _quoted(text).replace("$", "\\$")


def _quoted_for_bash(text: str) -> str:
    # A control character would reach the shell as a key that is pressed: a tab completes.
    if text.isprintable():
        return shlex.quote(text)
    escaped = (
        f"\\x{ord(each):02x}" if each < " " or each in "!\x7f" else f"\\{each}" if each in "\\'" else each
        for each in text
    )
    return f"$'{''.join(escaped)}'"


_QUOTES = {"r": _quoted, "julia": _quoted_for_julia, "bash": _quoted_for_bash}


def _refuse_name(name: str, *, language: str) -> None:
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"'{name}' cannot be the name of a parameter in {language}. Use letters, digits and '_', beginning with a letter."
        )
    if name in RESERVED:
        raise ParameterError(f"'{name}' cannot be the name of a parameter: it names files. Use another name.")


def _refuse_untranslated(what: str, value: Value, translator: Any, *, language: str) -> None:
    remedy = "Pass the path of a file that holds it."
    try:
        translator.translate(value)
    except NotImplementedError:
        kind = "mapping" if isinstance(value, dict) else "list" if isinstance(value, list) else "value"
        raise ParameterError(f"{what} is a {kind} that papermill cannot write in {language}. {remedy}") from None
    if language.lower() == "bash" and isinstance(value, list) and any(isinstance(inner, list) for inner in value):
        raise ParameterError(f"{what} is a list of lists, which bash does not have. {remedy}")
    largest = _LARGEST.get(language.lower())
    for inner in _inner(value):
        if isinstance(inner, str) and (
            "\0" in inner or (language.lower() not in _QUOTES and not _PLAIN.fullmatch(inner))
        ):
            raise ParameterError(
                f"{what} is a string with characters that papermill does not write unchanged in {language}. {remedy}"
            )
        if type(inner) is int and largest is not None and abs(inner) > largest:
            raise ParameterError(f"{what} is {inner}, which {language} cannot hold exactly. Pass it as a string.")


def _inner(value: Value) -> Iterator[Value]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _inner(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _inner(inner)
    else:
        yield value


def _has_mappings(translator: Any) -> bool:
    try:
        translator.translate({})
    except NotImplementedError:
        return False
    return True


def _flat(files: Mapping[str, Value], *, taken: Mapping[str, Value]) -> dict[str, Value]:
    """Return one variable for each path, and refuse two of the same name.

    >>> _flat({"product": {"nb": "a.ipynb"}, "resources_": {"raw": "b.csv"}, "upstream": {"load-all": {"x": "c"}}}, taken={})
    {'product_nb': 'a.ipynb', 'resources_raw': 'b.csv', 'upstream_load_all_x': 'c'}
    """
    found: dict[str, Value] = {}
    for name, path in _paths(files):
        if name in found or name in taken:
            raise ParameterError(
                f"Two values would both be the variable '{name}'. Rename a product, stage or parameter."
            )
        found[name] = path
    return found


def _paths(files: Value | Mapping[str, Value], name: str = "") -> Iterator[tuple[str, Value]]:
    if isinstance(files, Mapping):
        for key, inner in files.items():
            part = re.sub(r"[^A-Za-z0-9_]", "_", key)
            yield from _paths(inner, f"{name.rstrip('_')}_{part}" if name else part)
    elif files is not None:
        yield name, files
