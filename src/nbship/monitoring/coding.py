"""Inputs as small integers, so that a window's rows can be grouped by any of them: one or two bytes a row and input.

For example, an input with the categories 'a' and 'b' in training has the codes 0 and 1, 2 where it is missing, and 3 for
the first value that training never had; so do integers with few values, such as a number of engines. Another number has the
code of its bin: a tenth of the training data, or a range outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.build import Distribution, factorized
from ..model.signature import Codes, Column, Columns, columns_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Coded", "InputCodes", "coded_columns", "taken"]

_PREFIX = "nbship code of "
_MISSING = "missing"
# A field with more new values in a window is a key, or free text: the rows of later ones belong to no value.
_MOST_NEW = 1000
# A number with more values in training has bins.
_MOST_INTEGERS = 30


class Coded(NamedTuple):
    """A field as codes.

    Attributes
    ----------
    codes
        The number of each row's label, shape (rows,); -1 for rows that belong to none.
    labels
        Values or bins, in words.
    known
        The number of values of the training data, which come first; then follow `missing` and new values. None where the
        training data are not known, or are bins.
    """

    codes: NDArray[np.integer[Any]]
    labels: Sequence[str]
    known: int | None = None

    def taken(self, rows: Column) -> Coded:
        """Return some of the rows: their numbers, or a mask."""
        return self._replace(codes=self.codes[rows])


class InputCodes:
    """Codes of the inputs of a window, part by part.

    Parameters
    ----------
    fields
        The distributions of inputs in training.

    Examples
    --------
    >>> codes = InputCodes({"shop": Distribution("category", "input", np.array([2, 3]), 0, categories=("a", "b"))})
    >>> columns = codes.encode({"shop": np.array(["b", None, "c"], dtype=object)})
    >>> [column.tolist() for column in columns.values()]
    [[1, 2, 3]]
    """

    def __init__(self, fields: Mapping[str, Distribution]) -> None:
        self._coders = {f"{_PREFIX}{name}": _coder(each) for name, each in fields.items() if each.kind != "text"}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of codes."""
        return tuple(self._coders)

    def encode(self, measured: Columns) -> dict[str, Column]:
        """Return the columns of codes of some rows; a field that they do not have belongs to no label."""
        rows = len(next(iter(measured.values()), ()))
        found = {}
        for column, coder in self._coders.items():
            values: Column | None = measured.get(column.removeprefix(_PREFIX))
            found[column] = np.full(rows, -1, dtype=np.int8) if values is None else coder.encode(values)
        return found

    def take_from(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Coded]]:
        """Return a frame without the columns of codes, and these by the names of their fields."""
        # Without any rows, the columns of a frame have no type.
        kind = None if len(frame) else np.int8
        coded = {
            column.removeprefix(_PREFIX): Coded(frame[column].to_numpy(dtype=kind), coder.labels, coder.known)
            for column, coder in self._coders.items()
        }
        return frame.drop(columns=list(self._coders)), coded


def coded_columns(frame: pd.DataFrame) -> Mapping[str, Any]:
    """Return the columns of a frame as arrays, and its categoricals as `Codes`.

    >>> import pandas as pd
    >>> columns = coded_columns(pd.DataFrame({"line": pd.Categorical(["b", None, "b"]), "size": [1.0, 2.0, 3.0]}))
    >>> columns["line"].codes.tolist(), columns["line"].known.tolist(), columns["size"].tolist()
    ([0, 1, 0], ['b', None], [1.0, 2.0, 3.0])
    """
    import pandas as pd

    coded = {
        str(name): _codes(series) for name, series in frame.items() if isinstance(series.dtype, pd.CategoricalDtype)
    }
    plain = columns_of(frame.drop(columns=list(coded)))
    return {name: coded[name] if name in coded else plain[name] for name in map(str, frame.columns)}


def taken(column: Any, rows: Any) -> Any:
    """Return some rows of a column."""
    return column.taken(rows) if isinstance(column, Codes) else column[rows]


def _codes(series: pd.Series[Any]) -> Codes:
    known = np.empty(len(series.cat.categories) + 1, dtype=object)
    known[:-1], known[-1] = series.cat.categories, None
    codes = series.cat.codes.to_numpy().astype(np.min_scalar_type(-len(known)))
    # Null is -1, the index of the last entry.
    codes[codes < 0] = len(known) - 1
    return Codes(codes, known)


def _coder(field: Distribution) -> _Bins | _Categories | _Integers:
    if field.kind == "number":
        assert field.edges is not None
        few = field.known
        if few is not None and len(few) <= _MOST_INTEGERS and _are_integers(few).all():
            return _Integers(few)
        return _Bins(field.edges[[*field.groups, -1]] if len(field.groups) else field.edges, field.known)
    return _Categories(field.categories or ())


class _Bins:
    """Numbers: a bin holds the values above its lower edge, up to and including its upper edge."""

    known: int | None = None

    def __init__(self, edges: NDArray[np.float64], few: NDArray[np.float64] | None) -> None:
        self._inner = edges[1:-1]
        self.labels = [*(_range(*pair, few) for pair in itertools.pairwise(edges.tolist())), _MISSING]

    def encode(self, values: Column) -> Column:
        numbers = values.astype(np.float64)
        # For a dozen edges, comparisons are faster than searches.
        codes = np.zeros(len(numbers), dtype=np.int8)
        for edge in self._inner:
            codes += numbers > edge
        codes[~np.isfinite(numbers)] = len(self._inner) + 1
        return codes


class _Categories:
    """Strings: the categories of the training data, then missing, then those of the window."""

    def __init__(self, categories: tuple[str, ...]) -> None:
        self.known = len(categories)
        self.labels = [*categories, _MISSING]
        self._codes = {name: code for code, name in enumerate(categories)}

    def encode(self, values: Column | Codes) -> Column:
        found, names = factorized(values)
        codes = np.array([self._code(name) for name in names])
        return codes[found].astype(np.min_scalar_type(-len(self.labels)))

    def _code(self, name: str | None) -> int:
        if name is None:
            return self.known
        code = self._codes.get(name)
        if code is None:
            if len(self.labels) > self.known + _MOST_NEW:
                return -1
            code = self._codes[name] = len(self.labels)
            self.labels.append(name)
        return code


class _Integers:
    """Numbers with few different values: those of the training data, then missing, then those of the window."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._texts = _Categories(tuple(map(_digits, values.tolist())))

    @property
    def known(self) -> int:
        return self._texts.known

    @property
    def labels(self) -> Sequence[str]:
        return self._texts.labels

    def encode(self, values: Column) -> Column:
        import pandas as pd

        # Infinite values are missing, as in bins; numbers between integers belong to no value.
        numbers = values.astype(np.float64)
        found, different = pd.factorize(np.where(np.isfinite(numbers), numbers, np.nan))
        integers = _are_integers(different)
        texts = [*map(_digits, different[integers].tolist())]
        codes = np.full(len(different) + 1, -1, dtype=np.int16)
        codes[np.flatnonzero(integers)] = self._texts.encode(np.array(texts, dtype=object))
        codes[-1] = self.known
        return codes[found]


def _digits(value: float) -> str:
    # Negative zero is zero.
    return f"{value + 0.0:.0f}"


def _are_integers(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((values == np.round(values)) & (np.abs(values) < 1e15))


def _range(low: float, high: float, few: NDArray[np.float64] | None) -> str:
    """Return a bin in words; of a number with few distinct values, those in the bin."""
    if np.isinf(low) and np.isinf(high):
        return "any number"
    if np.isinf(low):
        return f"below {_short(high)}"
    if np.isinf(high):
        return f"above {_short(low)}"
    inside = few[(few > low) & (few <= high)] if few is not None else np.array([low, high])
    ends = [_short(end) for end in inside[[0, -1]].tolist()] if len(inside) else [_short(low), _short(high)]
    return " to ".join(dict.fromkeys(ends))


def _short(edge: float) -> str:
    # The lowest edge is the greatest number below the lowest value, which may be zero.
    return "0" if abs(edge) < 1e-300 else f"{edge:.4g}" if abs(edge) >= 100 else f"{edge:.3g}"
