"""The model of a package as lookup tables, layers, or the nodes of trees, without scikit-learn and pandas."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import CorruptPackageError
from ..signature import Codes, Column, Columns, Target, compute
from ..stored_files import reading
from .tables_file import load_tables

__all__ = ["Compiled", "array_of", "function_of"]


# The largest number of walked trees for which an event loop predicts a row itself: they take 0.3 ms.
_MOST_WALKED = 256


class Compiled:
    """A compiled model, ready to predict.

    Parameters
    ----------
    name
        The backend: "tables" or "nodes".

    Attributes
    ----------
    targets
        The one target of the scores.
    names
        The names of the inputs.
    """

    def __init__(self, data: bytes, *, renamed: Mapping[str, str], name: str = "tables") -> None:
        self.name = name
        self.tables, about = load_tables(data, path=f"{name}.npz")
        self.names = [each.name for each in self.tables.inputs]
        classes = None if about.classes is None else array_of(about.classes)
        self.targets = (Target(classes, probabilistic=self.tables.link != "decision"),)
        self._function = None if about.function is None else function_of(about.function, renamed)

    def scores(self, columns: Columns) -> Column:
        """Return probabilities, shape (rows, classes), or values, shape (rows, 1)."""
        given = columns if self._function is None else compute(self._function, columns)
        return self.tables.scores(
            [_as_input(given[each.name], is_string=each.is_string) for each in self.tables.inputs]
        )

    @property
    def is_quick(self) -> bool:
        """Whether one row takes less time than its way to a thread and back."""
        return self.tables.walked_trees <= _MOST_WALKED

    @property
    def reads_fields(self) -> bool:
        """Whether the inputs are the fields themselves; otherwise a feature function computes them from columns."""
        return self._function is None

    def score_row(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row from the values of `names`."""
        return self.tables.score_row(values)

    def score_each(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """Return `score_row` of several rows, in less time."""
        return self.tables.score_each(rows)

    def score_columns(self, columns: Columns) -> list[float]:
        """Return the scores of one row from columns of length one."""
        given = columns if self._function is None else compute(self._function, columns)
        return self.tables.score_row([given[name].item() for name in self.names])


def _as_input(column: Any, *, is_string: bool) -> Any:
    if is_string and isinstance(column, Codes):
        return column
    return np.asarray(column, dtype=object if is_string else np.float64)


def array_of(values: Sequence[Any]) -> Column:
    """Return classes as an array; strings as objects."""
    if isinstance(values[0], str):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array(values)


def function_of(name: str, renamed: Mapping[str, str]) -> Any:
    """Return a function of the packaged code, by its name `module:function`."""
    module, _, function = name.partition(":")
    top, dot, rest = module.partition(".")
    if top not in renamed:
        raise CorruptPackageError(f"The model needs '{name}', which is not in the code of the package. Build it again.")
    with reading(f"code/{module.replace('.', '/')}.py"):
        return getattr(importlib.import_module(f"{renamed[top]}{dot}{rest}"), function)
