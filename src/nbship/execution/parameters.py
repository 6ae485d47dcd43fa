"""The notebook that is executed: parameters filled in as literals, files named in one injected cell.

In another language than Python the injected cell holds the parameters as well, behind the cell that gives their defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ..errors import ParameterError
from ..pipeline import Pipeline, Stage
from ..pipeline.inspection import RESERVED, ParametersCell, find_parameters, kernel_name, literal, replace_values
from ..project import Value
from ..text import did_you_mean
from .parameter_values import refuse_name, refuse_value
from .translation import translate

__all__ = ["INJECTED_ID", "check_parameters", "prepare"]

INJECTED_ID = "injected-parameters"
_NOTE = "# Filled in by nbship: the files of this run, relative to the notebook's folder."


def prepare(notebook: dict[str, Any], *, pipeline: Pipeline, stage: Stage) -> dict[str, Any]:
    """Return the notebook as it is executed; the one given is not changed.

    Raises
    ------
    ParameterError
        If a parameter is not declared in the parameters cell, or cannot be passed as the value that it is.
    """
    name = str(stage.notebook)
    cell = find_parameters(notebook, name=name)
    source: str | None
    if stage.is_python:
        check_parameters(stage.params, cell, notebook=name)
        source = _assigned(_files(pipeline, stage))
    else:
        source = translate(
            stage.params,
            _files(pipeline, stage),
            kernel=kernel_name(notebook),
            language=stage.language,
            notebook=name,
        )
    cells = [_with_id(inner, number) for number, inner in enumerate(notebook["cells"], start=1)]
    place = 0 if cell is None else cell.index + 1
    if cell is not None and stage.is_python:
        texts = {key: literal(value) for key, value in stage.params.items()}
        cells[cell.index] = {**cells[cell.index], "source": replace_values(cell, texts)}
    if source is not None:
        cells.insert(place, _injected(source))
    return {**notebook, "cells": cells, "nbformat_minor": max(5, notebook.get("nbformat_minor", 0))}


def check_parameters(params: Mapping[str, object], cell: ParametersCell | None, *, notebook: str) -> None:
    """Refuse parameters that a kernel would not receive equal in value and type.

    Raises
    ------
    ParameterError
        For a name that the parameters cell does not declare, and for a value other than None, a truth
        value, a finite number, text, or lists and mappings of these.
    """
    declared = cell.assignments if cell else {}
    for name, value in params.items():
        refuse_name(name)
        if name in RESERVED:
            raise ParameterError(f"'{name}' cannot be the name of a parameter: it names files. Use another name.")
        if name not in declared:
            hint = did_you_mean(name, declared, otherwise=f"Add it to the parameters cell of {notebook}.")
            raise ParameterError(f"'{notebook}' does not declare the parameter '{name}'. {hint}")
        refuse_value(name, value)


def _files(pipeline: Pipeline, stage: Stage) -> dict[str, Value]:
    upstream: dict[str, Value] = {name: _located(pipeline.stages[name].data_products, stage) for name in stage.upstream}
    return {
        "upstream": upstream or None,
        "product": _located(stage.products, stage),
        "resources_": _located(stage.resources, stage),
    }


def _assigned(files: Mapping[str, Value]) -> str:
    return "\n".join([_NOTE, *(f"{name} = {literal(value)}" for name, value in files.items())])


def _injected(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": INJECTED_ID,
        "metadata": {"tags": ["injected-parameters"]},
        "outputs": [],
        "source": source,
    }


def _located(paths: Mapping[str, PurePosixPath], stage: Stage) -> dict[str, Value]:
    folder = stage.notebook.parent
    return {key: PurePosixPath(os.path.relpath(path, folder)).as_posix() for key, path in paths.items()}


def _with_id(cell: dict[str, Any], number: int) -> dict[str, Any]:
    return cell if cell.get("id") else {**cell, "id": f"cell-{number}"}
