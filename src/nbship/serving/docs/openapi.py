"""Describe the REST service, from the model's signature, as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.signature import Signature
from ..protocols import DATATYPES
from .schemas import all_schemas, object_of

__all__ = ["describe"]


def describe(
    signature: Signature,
    *,
    model: str,
    version: str,
    example: Mapping[str, Any],
    answer: Mapping[str, Any],
    keys: bool = False,
    results: bool = False,
    root: str = "",
) -> dict[str, Any]:
    """Return the OpenAPI document.

    Parameters
    ----------
    example, answer
        One record, and what the service answers to it.
    keys, results, root
        Whether callers need a key, whether results are served, and what stands before every path.
    """
    every = (*((401, 403) if keys else ()), 500)
    reads = (400, 408, 413, 415, 422, 429, 503, *every)
    ready = _get("ready", "Whether predictions can be answered and logged.", "Ready", 503, *every)
    one, versioned = [_path("name", model)], [_path("name", model), _path("version", version)]
    infer = _infer(signature, example, answer, reads)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": model, "version": version, "description": f"Predictions of the model `{model}`, version `{version}`."},
        **({"servers": [{"url": root}]} if root else {}),
        "paths": {
            "/predict": {"post": _predict(example, answer, reads)},
            "/feedback": {"post": _feedback(signature, example, answer, reads)},
            **({"/results": {"post": _results(signature, example, answer, reads)}} if results else {}),
            "/invocations": {"post": _invocations(signature, example, answer, reads)},
            "/v2/models/{name}/infer": {"post": {**infer, "parameters": one}},
            "/v2/models/{name}/versions/{version}/infer": {
                "post": {**infer, "operationId": "infer_version", "parameters": versioned}
            },
            "/v2": {"get": _get("server", "The server, and what it can do beside the protocol.", "Server", *every)},
            "/v2/health/live": {"get": _open(_get("live", "Whether the process lives.", "Live", 500))},
            "/v2/health/ready": {"get": _open(ready)},
            "/v2/models/{name}": {"get": {**_get("model", "Inputs and outputs of the model.", "Model", 404, 503, *every), "parameters": one}},
            "/v2/models/{name}/ready": {
                "get": {**_get("model_ready", "Whether the model answers.", "Ready", 404, 503, *every), "parameters": one}
            },
            "/ping": {"get": _open({**ready, "operationId": "ping"})},
            "/health": {"get": _open({**ready, "operationId": "health"})},
            "/version": {"get": _get("version", "Name and version of the model.", "Version", 503, *every)},
            "/metrics": {"get": _metrics((503, *every))},
        },
        "components": {"schemas": all_schemas(signature, model)},
    }  # fmt: skip
    if keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def _predict(example: Mapping[str, Any], answer: Mapping[str, Any], errors: Sequence[int]) -> dict[str, Any]:
    record, prediction = {"$ref": "#/components/schemas/Record"}, {"$ref": "#/components/schemas/Prediction"}
    many = {"type": "array", "items": record, "minItems": 1}
    return {
        "summary": "Predict for one record, or for a list of records.",
        "operationId": "predict",
        "requestBody": _body(
            {"oneOf": [record, many]},
            {"one": {"value": dict(example)}, "several": {"value": [dict(example), dict(example)]}},
        ),
        "responses": {
            "200": _json(
                "One prediction, or a list in the order of the records.",
                {"oneOf": [prediction, {"type": "array", "items": prediction}]},
                {"one": {"value": dict(answer)}},
            ),
            **_errors(*errors),
        },
    }


def _feedback(
    signature: Signature, example: Mapping[str, Any], answer: Mapping[str, Any], errors: Sequence[int]
) -> dict[str, Any]:
    told = {"$ref": "#/components/schemas/Feedback"}
    label = answer.get("label", answer.get("value"))
    shown = {"by_id": {"value": {"id": answer["id"], "label": label}}}
    if signature.keys:
        shown["by_key"] = {"value": {"key": {name: example[name] for name in signature.keys}, "label": label}}
    return {
        "summary": "Tell what truly happened, by prediction id or by key.",
        "operationId": "feedback",
        "requestBody": _body({"oneOf": [told, {"type": "array", "items": told, "minItems": 1}]}, shown),
        "responses": {
            "200": _json("Stored durably.", {"$ref": "#/components/schemas/Told"}),
            **_errors(*errors),
        },
    }


def _results(
    signature: Signature, example: Mapping[str, Any], answer: Mapping[str, Any], errors: Sequence[int]
) -> dict[str, Any]:
    asked, found = {"$ref": "#/components/schemas/Key"}, {"$ref": "#/components/schemas/Prediction"}
    many = {"type": "array", "items": asked, "minItems": 1}
    shown = {"one": {"value": {"key": {name: example[name] for name in signature.keys if name in example}}}}
    several = {"type": "array", "items": {"oneOf": [found, {"type": "null"}]}}
    return {
        "summary": "Find what a batch run predicted, by key.",
        "operationId": "results",
        "requestBody": _body({"oneOf": [asked, many]}, shown),
        "responses": {
            "200": _json("One prediction, or a list in the order of the keys.", {"oneOf": [found, several]}),
            **_errors(404, *errors),
        },
    }


def _path(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": [value]}}


def _get(name: str, summary: str, schema: str, *errors: int) -> dict[str, Any]:
    answer = _json(summary, {"$ref": f"#/components/schemas/{schema}"})
    return {"summary": summary, "operationId": name, "responses": {"200": answer, **_errors(*errors)}}


def _open(operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation that asks for no key."""
    return {**operation, "security": []}


def _metrics(errors: Sequence[int]) -> dict[str, Any]:
    text = {
        "description": "Measures in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return {
        "summary": "Measures of the service.",
        "operationId": "metrics",
        "responses": {"200": text, **_errors(*errors)},
    }


def _invocations(
    signature: Signature, example: Mapping[str, Any], answer: Mapping[str, Any], errors: Sequence[int]
) -> dict[str, Any]:
    record = {"$ref": "#/components/schemas/Record"}
    split = {"columns": list(example), "data": [list(example.values())]}
    rows = {"type": "array", "items": {"type": "array", "items": {}}}
    of_split = object_of({"columns": {"type": "array", "items": {"type": "string"}}, "data": rows})
    lists = {"type": "object", "additionalProperties": {"type": "array", "items": {}}}
    tensors = {"oneOf": [{"type": "array", "items": {"oneOf": [record, {"type": "array", "items": {}}]}}, lists]}
    forms = [
        _alone("dataframe_split", of_split),
        _alone("dataframe_records", {"type": "array", "items": record, "minItems": 1}),
        _alone("instances", tensors),
        _alone("inputs", tensors),
    ]
    told = {"prediction_id": answer["id"], **{name: value for name, value in answer.items() if name != "id"}}
    body = _body({"oneOf": forms}, {"split": {"value": {"dataframe_split": split}}})
    body["content"]["text/csv"] = {"schema": {"type": "string"}}
    schema = object_of({"predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Scored"}}})
    return {
        "summary": "Predict as MLflow's scoring server does.",
        "operationId": "invocations",
        "requestBody": body,
        "responses": {
            "200": _json("The predictions, in order.", schema, {"one": {"value": {"predictions": [told]}}}),
            **_errors(*errors),
        },
    }


def _alone(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**object_of({name: schema}), "additionalProperties": False}


def _infer(
    signature: Signature, example: Mapping[str, Any], answer: Mapping[str, Any], errors: Sequence[int]
) -> dict[str, Any]:
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
        "summary": "Predict for tensors (Open Inference Protocol, version 2); also with binary tensor data.",
        "operationId": "infer",
        "requestBody": _body({"$ref": "#/components/schemas/InferRequest"}, {"one": {"value": {"inputs": tensors}}}),
        "responses": {
            "200": _json("A tensor for each output.", {"$ref": "#/components/schemas/InferResponse"}),
            **_errors(404, *errors),
        },
    }


def _body(schema: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _json(words: str, schema: Mapping[str, Any], examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content = {"schema": schema, **({"examples": examples} if examples else {})}
    return {"description": words, "content": {"application/json": content}}


def _errors(*codes: int) -> dict[str, Any]:
    words = {
        400: "The body is not strict JSON.",
        401: "There is no key, or it is not known.",
        403: "The key may not ask for this.",
        404: "There is no such model.",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        415: "The body is not declared as JSON.",
        422: "A record breaks the signature; every wrong field is named.",
        429: "The service is busy; Retry-After says when to come again.",
        500: "The service made a mistake.",
        503: "Predictions cannot be answered, or not be logged.",
    }
    error = {"$ref": "#/components/schemas/Error"}
    return {str(code): _json(words[code], error) for code in codes}
