"""Describe the REST service, from the model's signature, as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model.signature import Field, Output, Signature

__all__ = ["describe", "field_schema"]

_TYPES = {"bool": "boolean", "int": "integer", "float": "number"}


def describe(
    signature: Signature,
    *,
    model: str,
    version: str,
    example: Mapping[str, Any],
    answer: Mapping[str, Any],
    keys: bool = False,
    root: str = "",
) -> dict[str, Any]:
    """Return the OpenAPI document.

    Parameters
    ----------
    example, answer
        One record, and what the service answers to it.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": model, "version": version, "description": f"Predictions of the model `{model}`, version `{version}`."},
        "paths": {
            "/predict": {"post": _predict(example, answer)},
            "/feedback": {"post": _feedback(signature, example, answer)},
            "/v2/health/live": {"get": _get("Whether the process lives.", "#/components/schemas/Live")},
            "/v2/health/ready": {"get": _get("Whether predictions can be answered and logged.", "#/components/schemas/Ready", 503)},
            "/v2/models/{name}": {"get": _model_get("Inputs and outputs of the model.", "#/components/schemas/Model", 404)},
            "/v2/models/{name}/ready": {
                "get": _model_get("Whether the model answers.", "#/components/schemas/Ready", 404, 503)
            },
            "/ping": {"get": _get("Whether predictions can be answered.", "#/components/schemas/Ready", 503)},
            "/health": {"get": _get("Whether predictions can be answered.", "#/components/schemas/Ready", 503)},
            "/version": {"get": _get("Name and version of the model.", "#/components/schemas/Version")},
        },
        "components": {"schemas": _schemas(signature, model)},
    }  # fmt: skip


def field_schema(field: Field) -> dict[str, Any]:
    """Return the JSON schema of one input.

    >>> field_schema(Field("age", "int", minimum=0, unit="years", title="Age"))
    {'type': 'integer', 'title': 'Age', 'description': 'In years.', 'minimum': 0}
    """
    kind = _TYPES.get(field.dtype, "string")
    schema: dict[str, Any] = {"type": [kind, "null"] if field.nullable else kind}
    if field.title:
        schema["title"] = field.title
    if _words(field):
        schema["description"] = _words(field)
    if field.categories and not field.open:
        schema["enum"] = [*field.categories, *([None] if field.nullable else [])]
    if field.dtype in ("int", "float"):
        schema |= {name: getattr(field, name) for name in ("minimum", "maximum") if getattr(field, name) is not None}
    if field.dtype == "datetime" and field.timezone is None:
        schema["format"] = "date-time"
    if field.example is not None:
        schema["examples"] = [field.example]
    return schema


def _words(field: Field) -> str:
    parts = [field.help.rstrip(".")] if field.help else []
    if field.unit:
        parts.append(f"In {field.unit}")
    if field.dtype == "datetime":
        zone = f", or else in {field.timezone}" if field.timezone else ""
        parts.append(f"ISO 8601 with an offset{zone}")
    if field.lookup:
        parts.append("Looked up where left out")
    return "".join(f"{part}. " for part in parts).strip()


def _record_schema(fields: Sequence[Field]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: field_schema(field) for field in fields},
        "required": [field.name for field in fields if not field.optional],
        "additionalProperties": False,
    }


def _schemas(signature: Signature, model: str) -> dict[str, Any]:
    outputs = {name: _output_schema(output) for name, output in signature.answers.items()}
    text, truth = {"type": "string"}, {"type": "boolean"}
    prediction = {"id": text, "model": text, "version": text, **outputs}
    keys = [signature[name] for name in signature.keys]
    told = {
        "id": text,
        **({"key": _record_schema(keys)} if keys else {}),
        "label": outputs.get("label") or outputs.get("value") or {},
        "time": {"type": ["string", "null"], "format": "date-time", "description": "When the label became known."},
    }
    tensor = {"type": "object", "properties": {"name": text, "datatype": text, "shape": {"type": "array"}}}
    return {
        "Record": {**_record_schema(signature.inputs), "title": f"Record of {model}"},
        "Prediction": {"type": "object", "properties": prediction, "required": ["id", "model", "version", *outputs]},
        "Feedback": {"type": "object", "properties": told, "required": ["label"], "additionalProperties": False},
        "Told": _object({"accepted": {"type": "integer"}, "matched": {"type": "integer"}}),
        "Live": _object({"live": truth}),
        "Ready": _object({"ready": truth}),
        "Version": _object({"model": text, "version": text}),
        "Model": {
            "type": "object",
            "properties": {
                "name": text,
                "versions": {"type": "array", "items": text},
                "platform": text,
                "inputs": {"type": "array", "items": tensor},
                "outputs": {"type": "array", "items": tensor},
            },
        },
        "Error": _error_schema(),
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _output_schema(output: Output) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES.get(output.dtype, "string")}
    if output.classes:
        schema["enum"] = list(output.classes)
    if output.kind == "probability":
        schema |= {"minimum": 0, "maximum": 1}
    words = " ".join(part for part in (output.title, output.help) if part)
    return {**schema, "description": words} if words else schema


def _error_schema() -> dict[str, Any]:
    wrong = {
        "type": "object",
        "properties": {
            "row": {"type": ["integer", "null"], "description": "Position in the list, from 0."},
            "field": {"type": ["string", "null"]},
            "reason": {"type": "string"},
        },
    }
    inner = _object(
        {"code": {"type": "string"}, "message": {"type": "string"}, "fields": {"type": "array", "items": wrong}}
    )
    return _object({"error": inner})


def _predict(example: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
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
            **_errors(400, 408, 413, 415, 422, 503),
        },
    }


def _feedback(signature: Signature, example: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
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
            **_errors(400, 408, 413, 415, 422, 503),
        },
    }


def _model_get(summary: str, schema: str, *errors: int) -> dict[str, Any]:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    return {**_get(summary, schema, *errors), "parameters": [name]}


def _get(summary: str, schema: str, *errors: int) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _json(summary, {"$ref": schema}), **_errors(*errors)}}


def _body(schema: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _json(words: str, schema: Mapping[str, Any], examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content = {"schema": schema, **({"examples": examples} if examples else {})}
    return {"description": words, "content": {"application/json": content}}


def _errors(*codes: int) -> dict[str, Any]:
    words = {
        400: "The body is not strict JSON.",
        404: "There is no such model.",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        415: "The body is not declared as JSON.",
        422: "A record breaks the signature; every wrong field is named.",
        503: "Predictions cannot be answered, or not be logged.",
    }
    error = {"$ref": "#/components/schemas/Error"}
    return {str(code): _json(words[code], error) for code in codes}
