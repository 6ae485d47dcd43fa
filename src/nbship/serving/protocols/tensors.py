"""Tensors of the Open Inference Protocol, with one value or all fields per row, as JSON or as bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ...errors import InputFailure, RequestError
from ...model.signature import Signature
from ...text import counted

__all__ = [
    "DATATYPES",
    "NUMPY",
    "check_parameters",
    "columns_of",
    "invalid",
    "is_table",
    "parameter_of",
    "to_bytes",
    "values_of",
]

# Type of a field -> datatype of its tensor; BYTES for all other types.
DATATYPES = {"bool": "BOOL", "int": "INT64", "float": "FP64"}
NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


def values_of(name: str, tensor: Mapping[str, Any], rest: memoryview) -> tuple[list[Any], memoryview]:
    """Return the values of a tensor, and the remaining bytes."""
    shape = _shape(tensor)
    if not shape or math.prod(shape[1:]) != 1:
        shown = str(tensor.get("shape"))[:60]
        raise invalid(name, f"has the shape {shown}. Send one value a row: [rows] or [rows, 1]")
    values, rest = _values(name, tensor, rest)
    if len(values) != shape[0]:
        raise invalid(name, f"has {counted(len(values), 'value')}, but its shape has {counted(shape[0], 'row')}")
    return values, rest


def is_table(tensor: Mapping[str, Any]) -> bool:
    """Return whether a tensor has the shape [rows, fields], with several fields."""
    shape = _shape(tensor)
    return len(shape) == 2 and shape[1] > 1


def columns_of(
    name: str, tensor: Mapping[str, Any], rest: memoryview, signature: Signature
) -> tuple[dict[str, list[Any]], memoryview]:
    """Return the columns of a tensor with a row of all fields, in the order of the signature, and the remaining bytes.

    Optional fields, which are looked up, may be left out: all of them or none.
    """
    rows, count = _shape(tensor)
    required = [field.name for field in signature.inputs if not field.optional]
    names = next((each for each in (signature.names, required) if len(each) == count), None)
    if names is None:
        raise invalid(name, f"has {count} values a row. Send {len(required)}: {', '.join(required)[:200]}")
    values, rest = _values(name, tensor, rest)
    if len(values) != rows * count:
        raise invalid(name, f"has {counted(len(values), 'value')}, but its shape has {rows * count:,}")
    return {each: values[position::count] for position, each in enumerate(names)}, rest


def check_parameters(content: Mapping[str, Any], *known: str) -> None:
    """Raise RequestError for a parameter that is not understood: what it asks for would not happen."""
    parameters = content.get("parameters", {})
    for name in parameters if isinstance(parameters, Mapping) else ():
        if name not in known:
            raise invalid("parameters", f"has '{name[:60]}', which is not supported. Use {', '.join(known)}")


def _shape(tensor: Mapping[str, Any]) -> list[int]:
    """Return the shape of a tensor, or an empty list if it is not valid."""
    shape = tensor.get("shape")
    valid = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    return shape if valid and isinstance(shape, list) else []


def _values(name: str, tensor: Mapping[str, Any], rest: memoryview) -> tuple[list[Any], memoryview]:
    """Return all values of a tensor, row by row, and the remaining bytes."""
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or (datatype != "BYTES" and datatype not in NUMPY):
        raise invalid(name, f"has the unknown datatype '{str(datatype)[:40]}'. Use one of BYTES, {', '.join(NUMPY)}")
    size = parameter_of(tensor, "binary_data_size")
    if size is not None:
        if type(size) is not int or not 0 <= size <= len(rest):
            raise invalid(name, f"has the binary_data_size {str(size)[:20]}, but {len(rest)} bytes remain")
        values, rest = _from_bytes(name, datatype, rest[:size]), rest[size:]
    else:
        values = _flat(tensor.get("data"))
    return [_plain(value, datatype) for value in values], rest


def parameter_of(content: Mapping[str, Any], name: str) -> Any:
    """Return a parameter of a request, tensor or output, or None."""
    parameters = content.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise invalid("parameters", "is not an object")
    return parameters.get(name)


def _flat(data: Any) -> list[Any]:
    """Return values as a flat list; nested lists are joined."""
    values = data if isinstance(data, list) else []
    if values and all(isinstance(value, list) for value in values):
        return list(chain.from_iterable(values))
    return values


def _plain(value: Any, datatype: Any) -> Any:
    # JSON clients write 3.0 as 3 in a floating-point tensor, and NaN as null.
    if str(datatype).startswith("FP") and type(value) is int:
        return float(value) if abs(value) <= 2**53 else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _from_bytes(name: str, datatype: str, data: memoryview) -> list[Any]:
    """Return the values of a tensor's binary form.

    Numbers are little-endian, one after another. A string comes after its length in 4 bytes: "ab", "c" is
    `02 00 00 00 61 62 01 00 00 00 63`.
    """
    if datatype != "BYTES":
        kind = np.dtype(NUMPY[datatype])
        if len(data) % kind.itemsize:
            raise invalid(name, f"has {len(data)} bytes, which is not a multiple of the size of {datatype}")
        found: list[Any] = np.frombuffer(data, kind).tolist()
        return found
    strings, start = [], 0
    try:
        while start < len(data):
            (size,) = struct.unpack_from("<I", data, start)
            part = bytes(data[start + 4 : start + 4 + size])
            if len(part) < size:
                raise invalid(name, "ends in the middle of a string")
            strings.append(part.decode())
            start += 4 + size
    except (struct.error, UnicodeDecodeError) as error:
        raise invalid(name, "is not a sequence of UTF-8 strings, each after its length in 4 bytes") from error
    return strings


def to_bytes(values: Sequence[Any], datatype: str) -> bytes:
    """Return the binary form of a tensor's values."""
    if datatype != "BYTES":
        return np.array(values, dtype=NUMPY[datatype]).tobytes()
    strings = [str(value).encode() for value in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in strings)


def invalid(field: str | None, reason: str) -> RequestError:
    """Return the error of an invalid field, or of an invalid body if `field` is None."""
    subject = "The body" if field is None else f"'{field[:80]}'"
    failure = InputFailure(None, field, reason)
    return RequestError("invalid_input", f"{subject} {reason}.", fields=[failure])
