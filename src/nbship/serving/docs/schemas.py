"""JSON schemas of requests and responses, generated from the model's signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.signature import Field, Output, Signature
from ...text import listed
from ..protocols import NUMPY

__all__ = ["all_schemas", "field_schema", "object_of"]

_TYPES = {"bool": "boolean", "int": "integer", "float": "number"}


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
        zone = f" or, without an offset, in {field.timezone}" if field.timezone else ""
        parts.append(f"ISO 8601 with a UTC offset{zone}")
    if field.lookup:
        parts.append("Looked up if left out")
    return "".join(f"{part}. " for part in parts).strip()


def _record_schema(fields: Sequence[Field]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: field_schema(field) for field in fields},
        "required": [field.name for field in fields if not field.optional],
        "additionalProperties": False,
    }


def all_schemas(signature: Signature, model: str) -> dict[str, Any]:
    """Return all schemas of the OpenAPI document."""
    outputs = {name: _output_schema(output) for name, output in signature.output_columns.items()}
    text, boolean = {"type": "string"}, {"type": "boolean"}
    tag = {"type": "string", "description": "The version in the registry, if the package was named by it."}
    prediction = {"id": text, "model": text, "version": text, "tag": tag, **outputs}
    keys = [signature[name] for name in signature.keys]
    feedback = {
        "id": {"type": ["string", "null"]},
        **({"key": {**_record_schema(keys), "type": ["object", "null"]}} if keys else {}),
        "label": outputs.get("label") or outputs.get("value") or {},
        "time": {"type": ["string", "null"], "format": "date-time", "description": "When the label became known."},
    }
    shape = {"type": "array", "items": {"type": "integer"}}
    metadata = object_of({"name": text, "datatype": text, "shape": shape})
    tensor = object_of({"name": text, "datatype": {"enum": [*NUMPY, "BYTES"]}, "shape": shape})
    tensor["properties"] |= {"data": {"type": "array", "items": {}}, "parameters": {"type": "object"}}
    requested = {"type": "object", "properties": {"name": text, "parameters": {"type": "object"}}, "required": ["name"]}
    infer = object_of({"inputs": {"type": "array", "items": tensor, "minItems": 1}})
    infer["properties"] |= {
        "id": text, "outputs": {"type": "array", "items": requested}, "parameters": {"type": "object"},
    }  # fmt: skip
    return {
        "Record": {
            **_record_schema(signature.inputs),
            "title": f"Record of {model}",
            **({"description": f"In a valid record, {listed(signature.relations)}."} if signature.relations else {}),
        },
        "Prediction": {"type": "object", "properties": prediction, "required": ["id", "model", "version", *outputs]},
        "Feedback": {"type": "object", "properties": feedback, "required": ["label"], "additionalProperties": False},
        **({"Key": {**object_of({"key": _record_schema(keys)}), "additionalProperties": False}} if keys else {}),
        "FeedbackResult": object_of({"accepted": {"type": "integer"}, "matched": {"type": "integer"}}),
        "Live": object_of({"live": boolean}),
        "Ready": object_of({"ready": boolean}),
        "Version": {
            "type": "object",
            "properties": {"model": text, "version": text, "tag": tag},
            "required": ["model", "version"],
        },
        "Scored": object_of({"prediction_id": text, "model": text, "version": text, **outputs}),
        "Server": object_of({"name": text, "version": text, "extensions": {"type": "array", "items": text}}),
        "Model": object_of(
            {
                "name": text,
                "versions": {"type": "array", "items": text},
                "platform": text,
                "inputs": {"type": "array", "items": metadata},
                "outputs": {"type": "array", "items": metadata},
            }
        ),
        "InferRequest": infer,
        "InferResponse": object_of(
            {"model_name": text, "model_version": text, "id": text, "outputs": {"type": "array", "items": tensor}}
        ),
        "Error": _error_schema(),
    }


def _output_schema(output: Output) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES.get(output.dtype, "string")}
    if output.classes:
        schema["enum"] = list(output.classes)
    if output.kind == "probability":
        schema |= {"minimum": 0, "maximum": 1}
    words = " ".join(part for part in (output.title, output.help) if part)
    return {**schema, "description": words} if words else schema


def _error_schema() -> dict[str, Any]:
    failure = {
        "type": "object",
        "properties": {
            "row": {"type": ["integer", "null"], "description": "Position of the record in the list, from 0."},
            "field": {"type": ["string", "null"]},
            "reason": {"type": "string"},
        },
    }
    inner = object_of(
        {"code": {"type": "string"}, "message": {"type": "string"}, "fields": {"type": "array", "items": failure}}
    )
    return object_of({"error": inner})


def object_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that requires all of these properties."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}
