"""Columns of tabular files as typed arrays: CSV values are parsed, Arrow columns converted."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..model.signature import Field, read_timestamp
from .booleans import convert_booleans
from .formulas import unescape_text
from .integers import convert_integers, largest_integer
from .timestamps import convert_timestamps

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["convert_arrow_column", "dtype_without_nulls", "parse_csv_column", "parse_csv_value"]

_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_INTEGER = re.compile(r"[-+]?\d+")
# What other programs write for null.
_NULLS = ("#n/a", "-", ".", "?", "\\n", "<na>", "n/a", "na", "nan", "nat", "nil", "none", "null")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def dtype_without_nulls(field: Field) -> str:
    """Return the dtype of an integer or boolean field in a frame without invalid rows."""
    if field.nullable:
        return "float64"
    return "int64" if field.dtype == "int" else "bool"


def parse_csv_column(
    column: pa.ChunkedArray, field: Field, *, nulls: Collection[str] | None = None, escaped: bool = False
) -> tuple[Any, dict[int, str]]:
    """Return the values of a CSV column, and the reasons for invalid values by position.

    Parameters
    ----------
    nulls
        Values that are read as empty. If None, no value can be declared as null.
    """
    may_declare, nulls = nulls is not None and field.nullable, nulls or ()
    given = [None if text in nulls else text or None for text in column.to_pylist()]
    texts: list[str | None] = [text and (text.strip() or None) for text in given]
    if nulls:
        texts = [None if text in nulls else text for text in texts]
    if field.dtype in ("string", "category"):
        if escaped:
            given = [text and unescape_text(text) for text in given]
        return _objects(given), _empty(texts, field)
    known: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        if text is not None:
            known[text], reason = parse_csv_value(text, field)
            if reason is not None:
                is_null = may_declare and text.lower() in _NULLS
                wrong[text] = f"{reason}; if it means null, declare it, as in --null '{text}'" if is_null else reason
    values = [None if text is None else known.get(text) for text in texts]
    failures = {position: wrong[text] for position, text in enumerate(texts) if text in wrong}
    failures |= _empty(texts, field)
    return _array(values, field, clean=not failures), failures


def parse_csv_value(text: str, field: Field) -> tuple[Any, str | None]:
    """Return the value of a string in a CSV file and None, or None and the reason why it is invalid.

    >>> parse_csv_value("3.0", Field("size", "int")), parse_csv_value("", Field("size", "int"))
    ((3, None), (None, None))
    """
    if field.dtype in ("string", "category"):
        return text or None, None
    text = text.strip()
    if not text:
        return None, None
    try:
        return _READERS[field.dtype](text, field), None
    except ValueError as error:
        return None, str(error) if field.pii else f"is '{text[:40]}', which {error}"


def _empty(texts: Sequence[object], field: Field) -> dict[int, str]:
    if field.nullable:
        return {}
    return {position: "is empty" for position, text in enumerate(texts) if text is None}


def _read_float(text: str, _: Field) -> float:
    if not _FLOAT.fullmatch(text) or abs(number := float(text)) == float("inf"):
        hint = (
            ": write decimals with a point, and no separator of thousands"
            if _FLOAT.fullmatch(text.replace(",", "."))
            else ""
        )
        raise ValueError(f"is not a number{hint}")
    return number


def _read_int(text: str, field: Field) -> int:
    # pandas writes an integer column that has nulls with decimal points: 3.0.
    if not _FLOAT.fullmatch(text):
        raise ValueError("is not an integer")
    # The size first: as an integer, 1e999999999 would fill the memory.
    if abs(float(text)) >= 2.0**64:
        raise ValueError("is too large to be stored exactly")
    number = Decimal(text)
    if number != number.to_integral_value():
        raise ValueError("is not an integer")
    # From 2**53 on, floats are not exact, and what wrote one may have rounded it.
    if abs(number) > (largest_integer(field) if _INTEGER.fullmatch(text) else 2**53 - 1):
        raise ValueError("is too large to be stored exactly")
    return int(number)


def _read_bool(text: str, _: Field) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("is neither true nor false")
    return _BOOLEANS[text.lower()]


_READERS: dict[str, Callable[[str, Field], Any]] = {
    "float": _read_float,
    "int": _read_int,
    "bool": _read_bool,
    "datetime": read_timestamp,
}


def _array(values: list[Any], field: Field, *, clean: bool) -> Any:
    import numpy as np
    import pandas as pd

    if field.dtype == "datetime":
        return pd.DatetimeIndex(pd.to_datetime(values, utc=True)).as_unit("us")
    if field.dtype == "float" or field.nullable:
        return np.array([np.nan if value is None else float(value) for value in values], dtype="float64")
    dtype = {"int": "int64", "bool": "bool"}[field.dtype]
    return np.array(values, dtype=dtype) if clean else _objects(values)


def _strings(column: pa.ChunkedArray) -> Any:
    """Return a column of strings as an object array with one object per distinct string."""
    import numpy as np

    coded = column.combine_chunks().dictionary_encode()
    known = _objects([*coded.dictionary.to_pylist(), None])
    return known[coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False).astype(np.intp)]


def _categorical(column: pa.ChunkedArray) -> Any:
    """Return a dictionary-encoded column of strings as a categorical."""
    import pandas as pd

    coded = column.unify_dictionaries().combine_chunks()
    known = coded.dictionary.to_pylist()
    if None in known or len(set(known)) < len(known):
        return _strings(column.cast(column.type.value_type))
    return pd.Categorical.from_codes(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), _objects(known))


def _objects(values: list[Any]) -> Any:
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def convert_arrow_column(column: pa.ChunkedArray, field: Field, *, coded: bool = False) -> tuple[Any, dict[int, str]]:
    """Return the values of an Arrow column, and the reasons for invalid values by position.

    Parameters
    ----------
    coded
        Whether a dictionary-encoded category field is returned as a categorical.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as types

    coded = coded and field.dtype == "category" and types.is_dictionary(column.type)
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_dictionary(column.type) and not coded:
        column = column.cast(kind)
    if not _fits(kind, field):
        raise SourceError(
            f"Column '{field.name}' is of type {kind}, where {field.dtype} is expected. Write it with that type."
        )
    if _is_bytes(kind) or (types.is_date(kind) and field.dtype != "datetime"):
        column = _as_strings(column, field)
    if field.dtype == "datetime" and not types.is_temporal(kind):
        return parse_csv_column(column.cast(pa.string()).fill_null(""), field)
    failures: dict[int, str] = {}
    if column.null_count and not field.nullable:
        failures = dict.fromkeys(np.flatnonzero(column.is_null().to_numpy()).tolist(), "is empty")
    if field.dtype == "datetime":
        values, wrong = convert_timestamps(column, field)
        return values, failures | wrong
    if field.dtype in ("string", "category"):
        return _categorical(column) if coded else _strings(column), failures
    if field.dtype == "int":
        return convert_integers(column, field)
    if field.dtype == "bool" and not types.is_boolean(kind):
        return convert_booleans(column, field)
    if types.is_decimal(kind):
        # Arrow's cast of decimals does not round to the nearest float; that of strings does.
        column = column.cast(pa.string())
    if field.dtype == "float" or field.nullable:
        return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), failures
    return _array(column.to_pylist(), field, clean=not failures), failures


def _fits(kind: pa.DataType, field: Field) -> bool:
    import pyarrow.types as types

    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    # Some writers store strings as bytes.
    as_text = types.is_string(kind) or types.is_large_string(kind) or types.is_date(kind) or _is_bytes(kind)
    fitting = {
        "float": numeric,
        "int": numeric,
        # SQLite and MySQL store booleans as 0 and 1.
        "bool": types.is_boolean(kind) or numeric,
        "datetime": types.is_timestamp(kind) or as_text,
    }
    return types.is_null(kind) or bool(fitting.get(field.dtype, as_text))


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _as_strings(column: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise SourceError(f"Column '{field.name}' holds bytes that are not UTF-8. Write it as strings.") from error
