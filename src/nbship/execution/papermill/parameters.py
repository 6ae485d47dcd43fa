"""Check papermill's parameters, and rewrite the cell that papermill injected."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import ParameterError
from ...pipeline.inspection import PYTHON, kernel_name, language_of, literal, parse_cell
from ...project import same
from ..parameter_values import check_name, check_value
from ..redaction import Redactor
from ..translation import translate

__all__ = ["pass_parameters"]


def pass_parameters(nb: Any, secrets: Redactor) -> None:
    """Check the parameters of this run, and write them into the injected cell.

    Raises
    ------
    ParameterError
        For an invalid name, for a value that would arrive changed or that holds a secret, and for a string where the
        notebook's default is a number or boolean: papermill reads `-p flag false` as the string "false".
    """
    # papermill adds metadata to every cell of the file, and only then injects this one.
    injected = next((cell for cell in nb.cells if "papermill" not in cell.metadata), None)
    if injected is None or "injected-parameters" not in injected.metadata.get("tags", ()):
        return
    params = {name: _plain(value) for name, value in nb.metadata.papermill.parameters.items()}
    for name, value in params.items():
        check_name(name)
        check_value(name, value)
    secrets.check(params, where="The command")
    language = language_of(nb).name
    if language != PYTHON:
        # papermill escapes strings for Python. In Julia, `$` in a string runs code.
        source = translate(
            params, {}, kernel=kernel_name(nb), language=language, notebook="the notebook", note="Parameters"
        )
        injected.source = source or injected.source
    else:
        _reject_converted(params, injected.source)
        _reject_strings(params, nb)
        comment = injected.source.partition("\n")[0]
        injected.source = "\n".join([comment, *(f"{name} = {literal(value)}" for name, value in params.items()), ""])


def _reject_converted(params: Mapping[str, Any], source: str) -> None:
    """Reject values that papermill's notebook format changes: tuples, and mappings with keys that are not strings."""
    written = dict(_assignments(source))
    for name, value in params.items():
        if name not in written or not same(written[name], value):
            raise ParameterError(
                f"The parameter '{name}' holds a tuple, or a mapping whose keys are not strings, and cannot be passed unchanged. "
                "Pass lists, and use strings as keys."
            )


def _reject_strings(params: Mapping[str, Any], nb: Any) -> None:
    cell = next((cell for cell in nb.cells if "parameters" in cell.metadata.get("tags", ())), None)
    declared = dict(_assignments(cell.source)) if cell else {}
    for name, value in params.items():
        default = declared.get(name)
        if isinstance(value, str) and isinstance(default, (bool, int, float)):
            kind = type(default).__name__
            raise ParameterError(
                f"The parameter '{name}' is the string {value!r}, but its default in the notebook is {default!r}, a {kind}. "
                f"Pass `-y '{name}: {'false' if kind == 'bool' else default}'`. With -p, write True, False or digits."
            )


def _assignments(source: str) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a cell's assignments of literals."""
    for statement in (parse_cell(source) or ast.Module([], [])).body:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
            continue
        with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            value = ast.literal_eval(statement.value)
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if type(value) is list else value
