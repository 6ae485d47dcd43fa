from __future__ import annotations

import json

import jsonschema
import pytest
from signatures import EXAMPLE, PREDICTION, SIGNATURE

from nbship.serving.docs.openapi import describe
from nbship.serving.docs.page import docs_page


def document() -> dict:
    return describe(SIGNATURE, model="m", version="0123456789ab", example=EXAMPLE, prediction=PREDICTION)


def validator(name: str) -> jsonschema.Draft202012Validator:
    schemas = document()["components"]["schemas"]
    return jsonschema.Draft202012Validator({**schemas[name], "components": {"schemas": schemas}})


def test_the_examples_fit_their_schemas() -> None:
    validator("Record").validate(EXAMPLE)
    validator("Prediction").validate(PREDICTION)
    examples = document()["paths"]["/feedback"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        validator("Feedback").validate(example["value"])
    assert examples["by_key"]["value"]["key"] == {"at": EXAMPLE["at"], "line": "a"}


@pytest.mark.parametrize(
    "change", [{"line": "c"}, {"size": 0}, {"size": 1.5}, {"size": None}, {"new": "yes"}, {"weight": 6.0}, {"other": 1}]
)
def test_records_that_the_model_rejects_do_not_match_the_schema(change: dict) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator("Record").validate({**EXAMPLE, **change})


@pytest.mark.parametrize("change", [{"kind": "new"}, {"kind": None}, {"weight": None}, {"weight": 1}, {"sent": None}])
def test_records_that_the_model_accepts_match_the_schema(change: dict) -> None:
    assert validator("Record").is_valid({**EXAMPLE, **change})


def test_every_reference_has_a_target() -> None:
    made = document()
    schemas = made["components"]["schemas"]
    references = [part.split('"')[0] for part in json.dumps(made).split('"$ref": "')[1:]]
    assert references
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= set(schemas)


def test_the_page_shows_fields_and_escapes() -> None:
    page = docs_page(
        SIGNATURE,
        model="<m>",
        version="v",
        example={**EXAMPLE, "note": "</textarea><script>"},
        prediction=PREDICTION,
        curl="curl",
    )
    assert "<m>" not in page
    assert "</textarea><script>" not in page
    assert "Risk of &lt;loss&gt;." in page
    for name in SIGNATURE.names:
        assert f"<code>{name}</code>" in page
    for external in ('src="', 'href="http', "@import", "url("):
        assert external not in page
