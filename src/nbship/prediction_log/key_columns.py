"""The keys of a frame's rows, column by column: a million rows take a second, and their keys are those of single rows.

For example, the columns `at` and `line` become the JSON strings `"2024-07-01T12:00:00Z"` and `"a"`, and the row's key
`{"at":"2024-07-01T12:00:00Z","line":"a"}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ..model.signature import Field, Signature
from .keys import key_value

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["keys_of_frame"]

_FIRST, _LAST = np.datetime64(datetime.min, "us"), np.datetime64(datetime.max, "us")
_NULL = "null"


def keys_of_frame(frame: pd.DataFrame, signature: Signature, *, salt: bytes) -> list[str | None]:
    """Return `keys_of` for each row of a typed frame."""
    if not signature.keys:
        return [None] * len(frame)
    names = [_json(name).replace("%", "%%") for name in signature.keys]
    template = "{" + ",".join(f"{name}:%s" for name in names) + "}"
    columns = [_values(frame[name], signature[name], salt) for name in signature.keys]
    return [template % row for row in zip(*columns, strict=True)]


def _values(series: pd.Series[Any], field: Field, salt: bytes) -> Sequence[str]:
    """Return the JSON of each value."""
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else ""
    if field.pii or not len(series):
        return _distinct(series, field, salt)
    if field.dtype == "float" and kind in "iuf":
        # -0.0 equals 0.0, and is another string.
        return _split((series.to_numpy(dtype=np.float64) + 0.0).tolist())
    if (field.dtype == "int" and kind in "iu") or (field.dtype == "bool" and kind == "b"):
        return _split(series.tolist())
    if field.dtype == "datetime" and (times := _times(series)) is not None:
        return times
    return _distinct(series, field, salt)


def _times(series: pd.Series[Any]) -> Sequence[str] | None:
    """Return timestamps as JSON; None if they are of another type, or not all are ones of Python."""
    if getattr(series.dtype, "tz", None) is None or series.dtype.kind != "M":
        return None
    utc = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    known = utc[~np.isnat(utc)]
    if len(known) and not (known.min() >= _FIRST and known.max() <= _LAST):
        return None
    return [text if text == _NULL else f'{text[:-1]}Z"' for text in _split(utc.tolist())]


def _split(values: list[Any]) -> list[str]:
    """Return the JSON of each value, which has no comma in it; NaN is null."""
    return msgspec.json.encode(values)[1:-1].decode().split(",")


def _distinct(series: pd.Series[Any], field: Field, salt: bytes) -> Sequence[str]:
    """Return the JSON of each value, which is made once for equal values."""
    import pandas as pd

    if series.dtype == object and not all(value is None or type(value) is str for value in series):
        # Values that are equal and of different types, such as 1 and True, may be different strings.
        return [_json(key_value(value, field, salt)) for value in series.tolist()]
    codes, known = pd.factorize(series)
    texts = [*(_json(key_value(value, field, salt)) for value in known.tolist()), _NULL]
    return [texts[code] for code in codes.tolist()]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
