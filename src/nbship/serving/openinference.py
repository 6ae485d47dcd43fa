"""The Open Inference Protocol, version 2: a tensor for each field, and one for each output.

Tensors come and go as JSON, or as bytes behind the JSON (the extension for binary tensor data).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from ..errors import InputFailure
from ..inference import Logged, Pending
from .asgi import Answer, Refusal, Request, Waiting, json_answer
from .body import BodyError, parse_body
from .predicting import begin, check_json, checked

__all__ = ["IDS", "infer", "metadata", "server_metadata"]

IDS = "prediction_id"
_HEAD = b"inference-header-content-length"
_OF_FIELD = {"bool": "BOOL", "int": "INT64", "float": "FP64"}
_NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


def server_metadata() -> dict[str, Any]:
    """Return what `/v2` tells."""
    from .. import __version__

    return {"name": "nbship", "version": __version__, "extensions": ["binary_tensor_data"]}


def metadata(served: Logged) -> dict[str, Any]:
    """Return the model's name, version and tensors."""
    outputs = [(name, output.dtype) for name, output in served.signature.answers.items()]
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": "nbship",
        "inputs": [_described(field.name, field.dtype) for field in served.signature.inputs],
        "outputs": [_described(name, dtype) for name, dtype in [*outputs, (IDS, "string")]],
    }


def _described(name: str, dtype: str) -> dict[str, Any]:
    return {"name": name, "datatype": _OF_FIELD.get(dtype, "BYTES"), "shape": [-1]}


def infer(request: Request, served: Logged, *, most_rows: int) -> Waiting:
    """Predict for tensors of one value a row; the answer has the ids of the predictions as a tensor of their own."""
    content, rest = _split(request)
    columns = _columns(content.get("inputs"), rest)
    asked = _asked(content, served)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    pending = begin(request, served, rows, most_rows=most_rows)
    id = content.get("id")
    return Waiting(pending, partial(_written, pending, asked, id if isinstance(id, str) else request.id))


def _split(request: Request) -> tuple[Mapping[str, Any], memoryview]:
    """Return the JSON of a request, and the bytes behind it."""
    length, body = request.header(_HEAD), memoryview(request.body)
    if length:
        if not length.isdecimal() or not 0 < int(length[:20]) <= len(body):
            raise _wrong(
                None, f"has {len(body)} bytes, and the header Inference-Header-Content-Length says {length[:20]}"
            )
        body, rest = body[: int(length)], body[int(length) :]
    else:
        check_json(request)
        rest = body[len(body) :]
    try:
        content = parse_body(bytes(body))
    except BodyError as error:
        fields = [InputFailure(None, error.field, str(error))] if error.field else []
        raise Refusal(400, "invalid_json", str(error), fields=fields) from error
    if not isinstance(content, Mapping):
        raise _wrong(None, "is not an object with 'inputs'")
    return content, rest


def _columns(tensors: Any, rest: memoryview) -> dict[str, list[Any]]:
    if not isinstance(tensors, list) or not tensors:
        raise _wrong("inputs", "is not a list of tensors, one for each field")
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        name = tensor.get("name") if isinstance(tensor, Mapping) else None
        if not isinstance(name, str):
            raise _wrong("inputs", "has a tensor without a name")
        if name in columns:
            raise _wrong(name, "occurs twice")
        columns[name], rest = _values(name, tensor, rest)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(values)}" for name, values in list(columns.items())[:8])
        raise _wrong("inputs", f"has tensors of different lengths ({shown}). Send one value a row in each")
    if len(rest):
        raise _wrong("inputs", f"has {len(rest)} bytes behind its last tensor")
    return columns


def _values(name: str, tensor: Mapping[str, Any], rest: memoryview) -> tuple[list[Any], memoryview]:
    """Return the values of a tensor, one a row, and the bytes after it."""
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    if datatype != "BYTES" and datatype not in _NUMPY:
        raise _wrong(name, f"is of datatype '{str(datatype)[:40]}'. Use one of BYTES, {', '.join(_NUMPY)}")
    whole = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not whole or not shape or math.prod(shape[1:]) != 1:
        raise _wrong(name, f"is of shape {str(shape)[:60]}. Send one value a row: [rows] or [rows, 1]")
    size = _parameter(tensor, "binary_data_size")
    if size is not None:
        if type(size) is not int or not 0 <= size <= len(rest):
            raise _wrong(name, f"says {str(size)[:20]} bytes, and {len(rest)} are left")
        values, rest = _from_bytes(name, str(datatype), rest[:size]), rest[size:]
    else:
        values = _flat(tensor.get("data"))
    if len(values) != shape[0]:
        raise _wrong(name, f"has {len(values)} values, and its shape says {shape[0]}")
    return [_plain(value, datatype) for value in values], rest


def _parameter(content: Mapping[str, Any], name: str) -> Any:
    parameters = content.get("parameters")
    return parameters.get(name) if isinstance(parameters, Mapping) else None


def _flat(data: Any) -> list[Any]:
    """Return the values of a list of values, or of lists of one value each."""
    values = data if isinstance(data, list) else []
    if values and all(isinstance(value, list) for value in values):
        return list(chain.from_iterable(values))
    return values


def _plain(value: Any, datatype: Any) -> Any:
    # JSON writes a whole number of a floating-point tensor without a point, and NaN as null.
    if str(datatype).startswith("FP") and type(value) is int:
        return float(value) if abs(value) <= 2**53 else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _from_bytes(name: str, datatype: str, data: memoryview) -> list[Any]:
    if datatype != "BYTES":
        kind = np.dtype(_NUMPY[datatype])
        if len(data) % kind.itemsize:
            raise _wrong(name, f"has {len(data)} bytes, which are no whole number of {datatype}")
        found: list[Any] = np.frombuffer(data, kind).tolist()
        return found
    texts, start = [], 0
    try:
        while start < len(data):
            (size,) = struct.unpack_from("<I", data, start)
            part = bytes(data[start + 4 : start + 4 + size])
            if len(part) < size:
                raise _wrong(name, "ends in the middle of a text")
            texts.append(part.decode())
            start += 4 + size
    except (struct.error, UnicodeDecodeError) as error:
        raise _wrong(name, "does not hold texts in UTF-8, each after its length") from error
    return texts


def _asked(content: Mapping[str, Any], served: Logged) -> list[tuple[str, bool]]:
    """Return the outputs that are asked for, and whether each shall come as bytes."""
    known = [*served.signature.answers, IDS]
    usual = _parameter(content, "binary_data_output") is True
    outputs = content.get("outputs")
    if outputs is None or outputs == []:
        return [(name, usual) for name in known]
    if not isinstance(outputs, list) or not all(isinstance(output, Mapping) for output in outputs):
        raise _wrong("outputs", "is not a list of objects with a name")
    asked = []
    for output in outputs:
        if output.get("name") not in known:
            raise _wrong("outputs", f"names '{str(output.get('name'))[:60]}'. The outputs are {', '.join(known)}")
        binary = _parameter(output, "binary_data")
        asked.append((output["name"], usual if binary is None else binary is True))
    return asked


def _written(pending: Pending, asked: Sequence[tuple[str, bool]], id: str) -> Answer:
    answers, ids = checked(pending).outputs, pending.ids
    outputs, parts = [], []
    for name, binary in asked:
        dtype = "string" if name == IDS else pending.by.signature.answers[name].dtype
        datatype = _OF_FIELD.get(dtype, "BYTES")
        values = list(ids) if name == IDS else [answer[name] for answer in answers]
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(values)]}
        if binary:
            parts.append(_to_bytes(values, datatype))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = values
        outputs.append(tensor)
    content = {"model_name": pending.by.name, "model_version": pending.by.version, "id": id, "outputs": outputs}
    if not parts:
        return json_answer(content)
    head = msgspec.json.encode(content)
    return Answer(
        200, b"".join([head, *parts]), "application/octet-stream", {"Inference-Header-Content-Length": str(len(head))}
    )


def _to_bytes(values: Sequence[Any], datatype: str) -> bytes:
    if datatype != "BYTES":
        return np.array(values, dtype=_NUMPY[datatype]).tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _wrong(field: str | None, reason: str) -> Refusal:
    subject = "The body" if field is None else f"'{field[:80]}'"
    failure = InputFailure(None, field, reason)
    return Refusal(422, "invalid_input", f"{subject} {reason}.", fields=[failure])
