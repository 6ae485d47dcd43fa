"""The Open Inference Protocol v2: one tensor for each input field, and one for each output.

Tensors are JSON, or bytes after the JSON (the binary tensor data extension).
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ...inference import Logged, PendingPredictions
from ...model.signature import Signature
from ...tabular import parse_json
from ..http import PendingResponse, Request, Response, json_response
from .native import begin, check_json
from .tensors import (
    DATATYPES,
    check_parameters,
    columns_of,
    invalid,
    is_table,
    parameter_of,
    to_bytes,
    values_of,
)

__all__ = ["IDS", "infer", "metadata", "server_metadata"]

IDS = "prediction_id"
_HEAD = b"inference-header-content-length"


def server_metadata() -> dict[str, Any]:
    """Return the response of `/v2`."""
    from ... import __version__

    return {"name": "nbship", "version": __version__, "extensions": ["binary_tensor_data"]}


def metadata(served: Logged) -> dict[str, Any]:
    """Return the model's name, version and tensors."""
    outputs = [(name, output.dtype) for name, output in served.signature.output_columns.items()]
    return {
        "name": served.package.id.name,
        "versions": [model.version for model in served.models],
        "platform": "nbship",
        "inputs": [_described(field.name, field.dtype) for field in served.signature.inputs],
        "outputs": [_described(name, dtype) for name, dtype in [*outputs, (IDS, "string")]],
    }


def _described(name: str, dtype: str) -> dict[str, Any]:
    return {"name": name, "datatype": DATATYPES.get(dtype, "BYTES"), "shape": [-1]}


def infer(request: Request, served: Logged, *, most_rows: int) -> PendingResponse:
    """Predict for tensors with one value per row, or for one tensor with a row of all fields. The response also has a tensor of prediction ids."""
    content, rest = _split(request)
    check_parameters(content, "binary_data_output")
    columns = _columns(content.get("inputs"), rest, served.signature)
    requested = _requested(content, served)
    id = content.get("id", request.id)
    if not isinstance(id, str):
        raise invalid("id", "is not a string")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    pending = begin(request, served, rows, most_rows=most_rows)
    return PendingResponse(pending, partial(_respond, pending, requested, id))


def _split(request: Request) -> tuple[Mapping[str, Any], memoryview]:
    """Return the JSON of a request, and the bytes after it.

    For example, a body of 150 bytes with the header `Inference-Header-Content-Length: 110` has 110 bytes of JSON, and
    40 bytes of tensor data in the order of the tensors.
    """
    length, body = request.header(_HEAD), memoryview(request.body)
    if length:
        if not length.isdecimal() or not 0 < int(length[:20]) <= len(body):
            raise invalid(
                None, f"has {len(body)} bytes, but the header Inference-Header-Content-Length is {length[:20]}"
            )
        body, rest = body[: int(length)], body[int(length) :]
    else:
        # Triton's client sends none. Pages of other origins are rejected before.
        check_json(request, required=False)
        rest = body[len(body) :]
    content = parse_json(bytes(body).removeprefix(codecs.BOM_UTF8))
    if not isinstance(content, Mapping):
        raise invalid(None, "is not an object with 'inputs'")
    return content, rest


def _columns(tensors: Any, rest: memoryview, signature: Signature) -> dict[str, list[Any]]:
    if not isinstance(tensors, list) or not tensors:
        problem = "is missing; send a list" if tensors is None else "is not a list"
        raise invalid("inputs", f"{problem} with one tensor for each field, or one tensor of the shape [rows, fields]")
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        name = tensor.get("name") if isinstance(tensor, Mapping) else None
        if not isinstance(name, str):
            raise invalid("inputs", "contains a tensor without a name")
        check_parameters(tensor, "binary_data_size")
        if len(tensors) == 1 and is_table(tensor):
            columns, rest = columns_of(name, tensor, rest, signature)
            break
        if name in columns:
            raise invalid(name, "occurs twice")
        columns[name], rest = values_of(name, tensor, rest)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(values)}" for name, values in list(columns.items())[:8])
        raise invalid("inputs", f"has tensors of different lengths ({shown}). Send one value a row in every tensor")
    if len(rest):
        raise invalid("inputs", f"is followed by {len(rest)} bytes that belong to no tensor")
    return columns


def _requested(content: Mapping[str, Any], served: Logged) -> list[tuple[str, bool]]:
    """Return the requested outputs, each with whether it is requested in binary form."""
    known = [*served.signature.output_columns, IDS]
    default = parameter_of(content, "binary_data_output") is True
    outputs = content.get("outputs", [])
    if outputs == []:
        return [(name, default) for name in known]
    if not isinstance(outputs, list) or not all(isinstance(output, Mapping) for output in outputs):
        raise invalid("outputs", "is not a list of objects with 'name'")
    requested = []
    for output in outputs:
        if output.get("name") not in known:
            raise invalid(
                "outputs", f"requests the unknown output '{str(output.get('name'))[:60]}'. Use {', '.join(known)}"
            )
        check_parameters(output, "binary_data")
        binary = parameter_of(output, "binary_data")
        requested.append((output["name"], default if binary is None else binary is True))
    return requested


def _respond(pending: PendingPredictions, requested: Sequence[tuple[str, bool]], id: str) -> Response:
    pending.check()
    predicted, ids = pending.predicted.outputs, pending.ids
    outputs, parts = [], []
    for name, binary in requested:
        dtype = "string" if name == IDS else pending.by.signature.output_columns[name].dtype
        datatype = DATATYPES.get(dtype, "BYTES")
        values = list(ids) if name == IDS else [row[name] for row in predicted]
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(values)]}
        if binary:
            parts.append(to_bytes(values, datatype))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = values
        outputs.append(tensor)
    content = {"model_name": pending.by.package.id.name, "model_version": pending.version, "id": id, "outputs": outputs}
    if not parts:
        return json_response(content)
    head = msgspec.json.encode(content)
    return Response(
        200, b"".join([head, *parts]), "application/octet-stream", {"Inference-Header-Content-Length": str(len(head))}
    )
