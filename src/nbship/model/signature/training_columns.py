"""The types of the training frame: read from its columns, and given back to columns that a model predicts from.

An estimator may depend on more than the values of a column. `SimpleImputer` looks for one spelling of null, float32
columns are scaled in float32, and `HistGradientBoostingClassifier` finds its categories by the dtype. So a field keeps
the dtype and the spelling of null of its column in training. For example, `read_csv` spells a missing town NaN, and a
client of the REST service spells it null; the estimator gets NaN from both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SignatureError
from .columns import Column, Columns
from .fields import Field, Scalar

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_trained",
    "is_plain_number",
    "number_type",
    "training_attributes",
    "training_frame",
    "training_matrix",
]

_USUAL = {
    **{"bool": "bool", "int": "int64", "float": "float64", "string": "object", "category": "object"},
    "datetime": "datetime64[us, UTC]",
}
# The names of Arrow's types that are not those of NumPy.
_ARROW = {"halffloat": "float16", "float": "float32", "double": "float64"}


def training_attributes(series: pd.Series[Any], dtype: str) -> dict[str, Any]:
    """Return the attributes of a field that describe its column in the training frame, as far as they are not usual.

    Raises
    ------
    SignatureError
        If the dtype cannot be restored from its name.
    """
    import pandas as pd

    name = str(series.dtype)
    found: dict[str, Any] = {}
    if isinstance(series.dtype, pd.CategoricalDtype):
        name = f"{'ordered ' if series.dtype.ordered else ''}category"
        found["training_categories"] = tuple(_plain(value) for value in series.dtype.categories)
    elif name != "object" and _restored(name) is None:
        raise SignatureError(
            f"Column '{series.name}' is of type '{name}', which cannot be restored for predictions. Convert it: frame['{series.name}'].astype(…)."
        )
    if name != _USUAL[dtype]:
        found["training_dtype"] = name
    if series.dtype == object and (missing := series[series.isna()].tolist()):
        spelled = {None: None, "NAType": "NA"}.get(missing[0] and type(missing[0]).__name__, "nan")
        if spelled is not None:
            found["training_null"] = spelled
    return found


def _plain(value: Any) -> Scalar:
    plain: Scalar = value.item() if isinstance(value, np.generic) else value
    return plain


@lru_cache(maxsize=1000)
def number_type(training_dtype: str | None) -> np.dtype[Any] | None:
    """Return the NumPy type of the numbers in a training column; None for the usual one, and for other columns.

    >>> number_type("Sparse[float32, nan]"), number_type("Int16"), number_type("category")
    (dtype('float32'), dtype('int16'), None)
    """
    name = str(training_dtype or "").lower()
    arrow = name.removesuffix("[pyarrow]")
    found = re.search(r"u?int(8|16|32|64)|float(16|32|64)", _ARROW.get(arrow, name))
    return None if found is None or found[0] in ("int64", "float64") else np.dtype(found[0])


def as_trained(field: Field, numbers: Column) -> Column:
    """Return float64 numbers, rounded to float32 if those of the training frame were."""
    narrow = number_type(field.training_dtype) if field.dtype == "float" else None
    if narrow is None:
        return numbers
    with np.errstate(over="ignore"):
        return numbers.astype(narrow).astype(np.float64)


def training_frame(columns: Columns, fields: Sequence[Field]) -> pd.DataFrame:
    """Return the columns of fields as a frame with the types of the training frame."""
    import pandas as pd

    return pd.DataFrame({field.name: _series(columns[field.name], field) for field in fields})


def training_matrix(columns: Columns, fields: Sequence[Field]) -> Column:
    """Return the columns of plain numbers as the matrix that scikit-learn makes of a training frame."""
    return np.column_stack([np.asarray(_series(columns[field.name], field)) for field in fields])


def is_plain_number(field: Field) -> bool:
    """Return whether the training column had NumPy's integers or floats, and not nullable or sparse ones."""
    dtype = _restored(field.training_dtype or _USUAL[field.dtype]) if field.dtype in ("int", "float") else None
    return isinstance(dtype, np.dtype) and dtype.kind in "iuf"


def _series(column: Column, field: Field) -> pd.Series[Any] | Column:
    import pandas as pd

    if field.dtype == "datetime":
        times: pd.Series[Any] = _times(pd.Series(column), field)
        return times
    name = field.training_dtype or _USUAL[field.dtype]
    if name.endswith("category"):
        return pd.Series(_categorical(column, field, ordered=name.startswith("ordered")))
    if name == "object":
        return pd.Series(_objects(column, field), dtype=object)
    dtype = _restored(name)
    plain = getattr(dtype, "subtype", dtype)
    if isinstance(plain, np.dtype) and column.dtype.kind == "f" and plain.kind in "iub":
        # Only floats hold the nulls of a field whose column had none in training.
        return column
    if isinstance(dtype, np.dtype) and column.dtype.kind in "fiub" and dtype.kind in "fiub":
        return column.astype(dtype, copy=False)
    try:
        return pd.Series(pd.array(column, dtype=dtype))
    except (TypeError, ValueError):
        # The compiler also tries the floats beside an integer, which no request can send.
        return pd.Series(column)


def _times(times: pd.Series[Any], field: Field) -> Any:
    utc: Any = times.dt.tz_localize("UTC")
    dtype = None if field.training_dtype is None else _restored(field.training_dtype)
    zone = getattr(dtype, "tz", getattr(getattr(dtype, "pyarrow_dtype", None), "tz", None))
    if dtype is None or getattr(dtype, "kind", "O") != "M":
        # Strings that were read as timestamps stay timestamps.
        return utc
    if zone is not None:
        return utc.dt.tz_convert(zone).astype(dtype)
    return utc.dt.tz_convert(field.timezone or "UTC").dt.tz_localize(None).astype(dtype)


def _categorical(column: Column, field: Field, *, ordered: bool) -> pd.Categorical:
    """Return a categorical column; values that training did not have are appended to its categories."""
    import pandas as pd

    known = list(field.training_categories or ())
    values = pd.Series(_objects(column, field), dtype=object)
    if field.dtype == "category" and not all(isinstance(value, str) for value in known):
        values = values.map({str(value): value for value in known}).where(values.notna(), None)
    unseen = values[~values.isin(known) & values.notna()].unique().tolist()
    return pd.Categorical(values, categories=[*known, *unseen], ordered=ordered)


def _objects(column: Column, field: Field) -> Column:
    """Return a column as objects, with null as the training frame spells it."""
    import pandas as pd

    spelled = {"nan": np.nan, "NA": pd.NA}.get(field.training_null or "")
    if column.dtype == object and spelled is None:
        return column
    null = pd.isna(column)
    kind = {"bool": bool, "int": int}.get(field.dtype)
    values: Sequence[Any] = column.tolist()
    found = np.empty(len(column), dtype=object)
    found[:] = (
        values
        if kind is None
        else [kind(value) if value in (True, False) or float(value).is_integer() else value for value in values]
    )
    found[null] = spelled
    return found


@lru_cache(maxsize=1000)
def _restored(name: str) -> Any:
    """Return the dtype of a name; None if no dtype has this name."""
    import pandas as pd

    sparse = re.fullmatch(r"Sparse\[(\w+), (.+)\]", name)
    try:
        if sparse is not None:
            kind = np.dtype(sparse[1])
            filled = {"True": True, "False": False}.get(sparse[2])
            return pd.SparseDtype(kind, kind.type(sparse[2]).item() if filled is None else filled)
        return pd.api.types.pandas_dtype(name)
    except (TypeError, ValueError):
        return None
