"""papermill's parameters, as values: checked, and written anew into the cell that papermill injected."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import ParameterError
from ...pipeline.inspection import PYTHON, kernel_name, language_of, literal, parse_cell
from ...project import same
from ..parameter_values import refuse_name, refuse_value
from ..redaction import Redactor
from ..translation import translate

__all__ = ["pass_parameters"]


def pass_parameters(nb: Any, secrets: Redactor) -> None:
    """Check the parameters of this run, and write the injected cell from the values that they are.

    Raises
    ------
    ParameterError
        For a name that is no plain name, for a value that would not arrive as it is or that holds a secret,
        and for text where the notebook has a number or a truth value: that is what papermill makes of `-p flag false`.
    """
    # papermill gives every cell of the file that it reads an entry of its own, and then adds this one.
    injected = next((cell for cell in nb.cells if "papermill" not in cell.metadata), None)
    if injected is None or "injected-parameters" not in injected.metadata.get("tags", ()):
        return
    params = {name: _plain(value) for name, value in nb.metadata.papermill.parameters.items()}
    for name, value in params.items():
        refuse_name(name)
        refuse_value(name, value)
    secrets.refuse(params, where="The command")
    language = language_of(nb).name
    if language != PYTHON:
        # papermill would escape strings as Python does; `$` in a string of Julia is code.
        source = translate(
            params, {}, kernel=kernel_name(nb), language=language, notebook="the notebook", note="Parameters"
        )
        injected.source = source or injected.source
    else:
        _refuse_converted(params, injected.source)
        _refuse_text(params, nb)
        comment = injected.source.partition("\n")[0]
        injected.source = "\n".join([comment, *(f"{name} = {literal(value)}" for name, value in params.items()), ""])


def _refuse_converted(params: Mapping[str, Any], source: str) -> None:
    """Refuse what papermill's notebook format turned into another type on the way: tuples, keys that are no text."""
    written = dict(_assigned(source))
    for name, value in params.items():
        if name not in written or not same(written[name], value):
            raise ParameterError(
                f"The parameter '{name}' holds a tuple, or a mapping whose keys are not strings, that cannot be passed as it is. "
                "Pass lists, and text as keys."
            )


def _refuse_text(params: Mapping[str, Any], nb: Any) -> None:
    cell = next((cell for cell in nb.cells if "parameters" in cell.metadata.get("tags", ())), None)
    declared = dict(_assigned(cell.source)) if cell else {}
    for name, value in params.items():
        usual = declared.get(name)
        if isinstance(value, str) and isinstance(usual, (bool, int, float)):
            kind = type(usual).__name__
            raise ParameterError(
                f"The parameter '{name}' is the text {value!r}, and the notebook has {name} = {usual!r}, a {kind}. "
                f"Write `-y '{name}: {'false' if kind == 'bool' else usual}'`, or for papermill's -p True, False or a number in digits."
            )


def _assigned(source: str) -> Iterator[tuple[str, Any]]:
    """Yield names and values of the assignments of literals in a cell."""
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
