"""The OpenAPI 3.1 document, generated from the model's signature and the table of routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.signature import Signature
from ..http import MEANINGS, STATUSES
from ..protocols import DATATYPES
from ..routes import ROUTES, Route
from .schemas import all_schemas, object_of

__all__ = ["describe"]


def describe(
    signature: Signature,
    *,
    model: str,
    version: str,
    example: Mapping[str, Any],
    prediction: Mapping[str, Any],
    keys: bool = False,
    results: bool = False,
    root: str = "",
) -> dict[str, Any]:
    """Return the OpenAPI document.

    Parameters
    ----------
    example, prediction
        A record, and the response to it.
    keys, results, root
        Whether callers need an API key, whether `/results` is available, and the prefix of all paths.
    """
    bodies = {
        "predict": _predict(example, prediction),
        "feedback": _feedback(signature, example, prediction),
        "results": _results(signature, example),
        "invocations": _invocations(example, prediction),
        **dict.fromkeys(("infer", "infer_version"), _infer(signature, example)),
        "metrics": _metrics(),
    }
    paths = {
        route.path: {route.method.lower(): _operation(route, bodies.get(route.name), model, version, keys=keys)}
        for route in ROUTES
        if route.summary and (results or route.name != "results")
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": model, "version": version, "description": f"Predictions of the model `{model}`, version `{version}`."},
        **({"servers": [{"url": root}]} if root else {}),
        "paths": paths,
        "components": {"schemas": all_schemas(signature, model)},
    }  # fmt: skip
    if keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def _operation(route: Route, body: Mapping[str, Any] | None, model: str, version: str, *, keys: bool) -> dict[str, Any]:
    """Return the operation of a route: parameters, body, response and every possible error."""
    if body is None:
        body = {"responses": {"200": _json(route.summary, {"$ref": f"#/components/schemas/{route.schema}"})}}
    codes = [*route.errors, *(("unauthorized", "forbidden") if keys and route.role is not None else ()), "internal"]
    values = {"name": model, "version": version}
    parameters = [_path(name, value) for name, value in values.items() if f"{{{name}}}" in route.path]
    return {
        "summary": route.summary,
        "operationId": route.name,
        **({"parameters": parameters} if parameters else {}),
        **body,
        "responses": {**body["responses"], **_errors(codes)},
        # This operation needs no key, even if the others do.
        **({"security": []} if route.role is None else {}),
    }


def _predict(example: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    record, prediction = {"$ref": "#/components/schemas/Record"}, {"$ref": "#/components/schemas/Prediction"}
    many = {"type": "array", "items": record, "minItems": 1}
    return {
        "requestBody": _body(
            {"oneOf": [record, many]},
            {"one": {"value": dict(example)}, "several": {"value": [dict(example), dict(example)]}},
        ),
        "responses": {
            "200": _json(
                "One prediction, or a list of predictions in the order of the records.",
                {"oneOf": [prediction, {"type": "array", "items": prediction}]},
                {"one": {"value": dict(response)}},
            ),
        },
    }


def _feedback(signature: Signature, example: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    item = {"$ref": "#/components/schemas/Feedback"}
    label = response.get("label", response.get("value"))
    shown = {"by_id": {"value": {"id": response["id"], "label": label}}}
    if signature.keys:
        shown["by_key"] = {"value": {"key": {name: example[name] for name in signature.keys}, "label": label}}
    return {
        "requestBody": _body({"oneOf": [item, {"type": "array", "items": item, "minItems": 1}]}, shown),
        "responses": {
            "200": _json("The feedback is stored.", {"$ref": "#/components/schemas/FeedbackResult"}),
        },
    }


def _results(signature: Signature, example: Mapping[str, Any]) -> dict[str, Any]:
    key, found = {"$ref": "#/components/schemas/Key"}, {"$ref": "#/components/schemas/Prediction"}
    many = {"type": "array", "items": key, "minItems": 1}
    shown = {"one": {"value": {"key": {name: example[name] for name in signature.keys if name in example}}}}
    several = {"type": "array", "items": {"oneOf": [found, {"type": "null"}]}}
    return {
        "requestBody": _body({"oneOf": [key, many]}, shown),
        "responses": {
            "200": _json(
                "One prediction, or a list of predictions in the order of the keys; null for an unknown key.",
                {"oneOf": [found, several]},
            ),
        },
    }


def _path(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": [value]}}


def _metrics() -> dict[str, Any]:
    text = {
        "description": "Metrics in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return {"responses": {"200": text}}


def _invocations(example: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    record = {"$ref": "#/components/schemas/Record"}
    split = {"columns": list(example), "data": [list(example.values())]}
    rows = {"type": "array", "items": {"type": "array", "items": {}}}
    of_split = object_of({"columns": {"type": "array", "items": {"type": "string"}}, "data": rows})
    lists = {"type": "object", "additionalProperties": {"type": "array", "items": {}}}
    tensors = {"oneOf": [{"type": "array", "items": {"oneOf": [record, {"type": "array", "items": {}}]}}, lists]}
    formats = [
        _closed("dataframe_split", of_split),
        _closed("dataframe_records", {"type": "array", "items": record, "minItems": 1}),
        _closed("instances", tensors),
        _closed("inputs", tensors),
    ]
    scored = {"prediction_id": response["id"], **{name: value for name, value in response.items() if name != "id"}}
    body = _body({"oneOf": formats}, {"split": {"value": {"dataframe_split": split}}})
    body["content"]["text/csv"] = {"schema": {"type": "string"}}
    schema = object_of({"predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Scored"}}})
    return {
        "requestBody": body,
        "responses": {
            "200": _json(
                "The predictions in the order of the rows.", schema, {"one": {"value": {"predictions": [scored]}}}
            ),
        },
    }


def _closed(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**object_of({name: schema}), "additionalProperties": False}


def _infer(signature: Signature, example: Mapping[str, Any]) -> dict[str, Any]:
    tensors = [
        {
            "name": field.name,
            "shape": [1],
            "datatype": DATATYPES.get(field.dtype, "BYTES"),
            "data": [example[field.name]],
        }
        for field in signature.inputs
        if example.get(field.name) is not None
    ]
    return {
        "requestBody": _body({"$ref": "#/components/schemas/InferRequest"}, {"one": {"value": {"inputs": tensors}}}),
        "responses": {
            "200": _json("One tensor for each output.", {"$ref": "#/components/schemas/InferResponse"}),
        },
    }


def _body(schema: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _json(description: str, schema: Mapping[str, Any], examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content = {"schema": schema, **({"examples": examples} if examples else {})}
    return {"description": description, "content": {"application/json": content}}


def _errors(codes: Sequence[str]) -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    statuses = sorted({STATUSES[code] for code in codes})
    return {str(status): _json(MEANINGS[status], error) for status in statuses}
