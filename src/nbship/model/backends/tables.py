"""The model of a package as tables: no scikit-learn, no pandas."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import CorruptPackageError
from ..signature import Codes, Column, Columns, Target, compute
from .tables_file import load_tables

__all__ = ["Compiled", "array_of", "function_of"]


class Compiled:
    """A compiled model, ready to answer.

    Attributes
    ----------
    targets
        What the scores are of: one target.
    names
        Of the tables' inputs.
    """

    name = "tables"

    def __init__(self, data: bytes, *, renamed: Mapping[str, str]) -> None:
        self.tables, about = load_tables(data)
        self.names = [each.name for each in self.tables.inputs]
        classes = None if about["classes"] is None else array_of(about["classes"])
        self.targets = (Target(classes, probabilistic=self.tables.link != "decision"),)
        self._function = None if about["function"] is None else function_of(about["function"], renamed)

    def scores(self, columns: Columns) -> Column:
        """Return probabilities, shape (rows, classes), or values, shape (rows, 1)."""
        given = columns if self._function is None else compute(self._function, columns)
        return self.tables.scores([_taken(given[each.name], text=each.text) for each in self.tables.inputs])

    @property
    def takes_values(self) -> bool:
        """Whether it takes the fields' values themselves; else a feature function takes their columns."""
        return self._function is None

    def single(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row from the values of `names`."""
        return self.tables.single(values)

    def single_of(self, columns: Columns) -> list[float]:
        """Return the scores of one row from columns of length one."""
        given = columns if self._function is None else compute(self._function, columns)
        return self.tables.single([given[name].item() for name in self.names])


def _taken(column: Any, *, text: bool) -> Any:
    if text and isinstance(column, Codes):
        return column
    return np.asarray(column, dtype=object if text else np.float64)


def array_of(values: Sequence[Any]) -> Column:
    """Return classes as an array: texts are objects."""
    if isinstance(values[0], str):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array(values)


def function_of(name: str, renamed: Mapping[str, str]) -> Any:
    """Return a function of the package's own code, named as module:function."""
    module, _, function = name.partition(":")
    top, dot, rest = module.partition(".")
    if top not in renamed:
        raise CorruptPackageError(f"The model needs '{name}', which is not in the package's code. Make it again.")
    return getattr(importlib.import_module(f"{renamed[top]}{dot}{rest}"), function)
