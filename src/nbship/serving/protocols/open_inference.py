"""The Open Inference Protocol, version 2: a tensor for each field, and one for each output.

Tensors come and go as JSON, or as bytes behind the JSON (the extension for binary tensor data).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ...inference import Logged, PendingPredictions
from ...tabular import parse_json
from ..http import Answer, Request, Waiting, json_answer
from .native import begin, check_json
from .tensors import DATATYPES, parameter_of, to_bytes, values_of, wrong

__all__ = ["IDS", "infer", "metadata", "server_metadata"]

IDS = "prediction_id"
_HEAD = b"inference-header-content-length"


def server_metadata() -> dict[str, Any]:
    """Return what `/v2` tells."""
    from ... import __version__

    return {"name": "nbship", "version": __version__, "extensions": ["binary_tensor_data"]}


def metadata(served: Logged) -> dict[str, Any]:
    """Return the model's name, version and tensors."""
    outputs = [(name, output.dtype) for name, output in served.signature.answers.items()]
    return {
        "name": served.package.id.name,
        "versions": [model.version for model in served.models],
        "platform": "nbship",
        "inputs": [_described(field.name, field.dtype) for field in served.signature.inputs],
        "outputs": [_described(name, dtype) for name, dtype in [*outputs, (IDS, "string")]],
    }


def _described(name: str, dtype: str) -> dict[str, Any]:
    return {"name": name, "datatype": DATATYPES.get(dtype, "BYTES"), "shape": [-1]}


def infer(request: Request, served: Logged, *, most_rows: int) -> Waiting:
    """Predict for tensors of one value a row; the answer has the ids of the predictions as a tensor of their own."""
    content, rest = _split(request)
    columns = _columns(content.get("inputs"), rest)
    asked = _asked(content, served)
    id = content.get("id", request.id)
    if not isinstance(id, str):
        raise wrong("id", "is not text")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    pending = begin(request, served, rows, most_rows=most_rows)
    return Waiting(pending, partial(_written, pending, asked, id))


def _split(request: Request) -> tuple[Mapping[str, Any], memoryview]:
    """Return the JSON of a request, and the bytes behind it."""
    length, body = request.header(_HEAD), memoryview(request.body)
    if length:
        if not length.isdecimal() or not 0 < int(length[:20]) <= len(body):
            raise wrong(
                None, f"has {len(body)} bytes, and the header Inference-Header-Content-Length says {length[:20]}"
            )
        body, rest = body[: int(length)], body[int(length) :]
    else:
        check_json(request)
        rest = body[len(body) :]
    content = parse_json(bytes(body))
    if not isinstance(content, Mapping):
        raise wrong(None, "is not an object with 'inputs'")
    return content, rest


def _columns(tensors: Any, rest: memoryview) -> dict[str, list[Any]]:
    if not isinstance(tensors, list) or not tensors:
        raise wrong("inputs", "is not a list of tensors, one for each field")
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        name = tensor.get("name") if isinstance(tensor, Mapping) else None
        if not isinstance(name, str):
            raise wrong("inputs", "has a tensor without a name")
        if name in columns:
            raise wrong(name, "occurs twice")
        columns[name], rest = values_of(name, tensor, rest)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(values)}" for name, values in list(columns.items())[:8])
        raise wrong("inputs", f"has tensors of different lengths ({shown}). Send one value a row in each")
    if len(rest):
        raise wrong("inputs", f"has {len(rest)} bytes behind its last tensor")
    return columns


def _asked(content: Mapping[str, Any], served: Logged) -> list[tuple[str, bool]]:
    """Return the outputs that are asked for, and whether each shall come as bytes."""
    known = [*served.signature.answers, IDS]
    usual = parameter_of(content, "binary_data_output") is True
    outputs = content.get("outputs", [])
    if outputs == []:
        return [(name, usual) for name in known]
    if not isinstance(outputs, list) or not all(isinstance(output, Mapping) for output in outputs):
        raise wrong("outputs", "is not a list of objects with a name")
    asked = []
    for output in outputs:
        if output.get("name") not in known:
            raise wrong("outputs", f"names '{str(output.get('name'))[:60]}'. The outputs are {', '.join(known)}")
        binary = parameter_of(output, "binary_data")
        asked.append((output["name"], usual if binary is None else binary is True))
    return asked


def _written(pending: PendingPredictions, asked: Sequence[tuple[str, bool]], id: str) -> Answer:
    pending.check()
    answers, ids = pending.predicted.outputs, pending.ids
    outputs, parts = [], []
    for name, binary in asked:
        dtype = "string" if name == IDS else pending.by.signature.answers[name].dtype
        datatype = DATATYPES.get(dtype, "BYTES")
        values = list(ids) if name == IDS else [answer[name] for answer in answers]
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(values)]}
        if binary:
            parts.append(to_bytes(values, datatype))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = values
        outputs.append(tensor)
    content = {"model_name": pending.by.package.id.name, "model_version": pending.version, "id": id, "outputs": outputs}
    if not parts:
        return json_answer(content)
    head = msgspec.json.encode(content)
    return Answer(
        200, b"".join([head, *parts]), "application/octet-stream", {"Inference-Header-Content-Length": str(len(head))}
    )
