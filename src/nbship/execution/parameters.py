"""Prepare a notebook for execution: parameters become literals, and an injected cell names the files.

In other languages than Python, the injected cell also sets the parameters, after the cell with their defaults.
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
from .parameter_values import check_name, check_value
from .translation import translate

__all__ = ["INJECTED_ID", "check_parameters", "prepare"]

INJECTED_ID = "injected-parameters"
_NOTE = "# Filled in by nbship: the files of this run, relative to the notebook's folder."


def prepare(notebook: dict[str, Any], *, pipeline: Pipeline, stage: Stage) -> dict[str, Any]:
    """Return the notebook to execute; `notebook` is not changed.

    Raises
    ------
    ParameterError
        If the parameters cell does not declare a parameter, or a value cannot be passed unchanged.
    """
    name = str(stage.notebook)
    cell = find_parameters(notebook, name=name)
    source: str | None
    if stage.is_python:
        check_parameters(stage.params, cell, notebook=name)
        source = _assignments_source(_files(pipeline, stage))
    else:
        source = translate(
            stage.params,
            _files(pipeline, stage),
            kernel=kernel_name(notebook),
            language=stage.language,
            notebook=name,
        )
    cells = [_with_id(inner, number) for number, inner in enumerate(notebook["cells"], start=1)]
    if cell is not None and stage.is_python:
        literals = {key: literal(value) for key, value in stage.params.items()}
        cells[cell.index] = {**cells[cell.index], "source": replace_values(cell, literals)}
    if source is not None:
        cells.insert(0 if cell is None else cell.index + 1, _injected_cell(source))
    return {**notebook, "cells": cells, "nbformat_minor": max(5, notebook.get("nbformat_minor", 0))}


def check_parameters(params: Mapping[str, object], cell: ParametersCell | None, *, notebook: str) -> None:
    """Check that parameters are declared and reach a kernel unchanged in value and type.

    Raises
    ------
    ParameterError
        For an undeclared name, and for a value that is not None, a boolean, a finite number, a string, or a list or
        mapping of these.
    """
    declared = cell.assignments if cell else {}
    for name, value in params.items():
        check_name(name)
        if name in RESERVED:
            raise ParameterError(f"'{name}' cannot be the name of a parameter: it names files. Use another name.")
        if name not in declared:
            hint = did_you_mean(name, declared, otherwise=f"Add it to the parameters cell of {notebook}.")
            raise ParameterError(f"'{notebook}' does not declare the parameter '{name}'. {hint}")
        check_value(name, value)


def _files(pipeline: Pipeline, stage: Stage) -> dict[str, Value]:
    upstream: dict[str, Value] = {
        name: _relative_paths(pipeline.stages[name].data_products, stage) for name in stage.upstream
    }
    return {
        "upstream": upstream or None,
        "product": _relative_paths(stage.products, stage),
        "resources_": _relative_paths(stage.resources, stage),
    }


def _assignments_source(files: Mapping[str, Value]) -> str:
    return "\n".join([_NOTE, *(f"{name} = {literal(value)}" for name, value in files.items())])


def _injected_cell(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": INJECTED_ID,
        "metadata": {"tags": ["injected-parameters"]},
        "outputs": [],
        "source": source,
    }


def _relative_paths(paths: Mapping[str, PurePosixPath], stage: Stage) -> dict[str, Value]:
    folder = stage.notebook.parent
    return {
        key: str(path) if path.is_absolute() else PurePosixPath(os.path.relpath(path, folder)).as_posix()
        for key, path in paths.items()
    }


def _with_id(cell: dict[str, Any], number: int) -> dict[str, Any]:
    return cell if cell.get("id") else {**cell, "id": f"cell-{number}"}
