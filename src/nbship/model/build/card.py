"""The model card: purpose, limits, performance, inputs and outputs of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..signature import Field, Signature

__all__ = ["make_card"]


def make_card(
    name: str,
    text: str | Mapping[str, Any],
    *,
    signature: Signature,
    metrics: Mapping[str, Any] | None,
    libraries: Mapping[str, str],
) -> str:
    """Return the card as Markdown: first the text of the data scientist, then generated sections.

    Parameters
    ----------
    text
        Markdown, or a mapping with `purpose`, `limits` and `metrics`.
    """
    if isinstance(text, str):
        sections = [text.strip() or f"# {name}"]
        scores = metrics
    else:
        sections = [f"# {name}", str(text.get("purpose", ""))]
        sections += [f"## Limits\n\n{text['limits']}"] if text.get("limits") else []
        scores = metrics or text.get("metrics")
        sections += [_scores(scores)] if scores else []
    sections += [_inputs(signature), _outputs(signature), _made(libraries)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _scores(metrics: Mapping[str, Any]) -> str:
    numbers = {key: value for key, value in metrics.items() if isinstance(value, (int, float))}
    lines = [f"| {key.replace('_', ' ')} | {value:.4g} |" for key, value in numbers.items()]
    return "\n".join(["## Performance on held-out rows", "", "| measure | |", "|---|--:|", *lines])


def _inputs(signature: Signature) -> str:
    lines = [f"| `{field.name}` | {field.dtype} | {_words(field)} |" for field in signature.inputs]
    return "\n".join(["## Inputs", "", "| field | type | meaning |", "|---|---|---|", *lines])


def _words(field: Field) -> str:
    unit = f", in {field.unit}" if field.unit else ""
    notes = [f"{field.title}{unit}", field.help.rstrip(".")]
    if field.minimum is not None or field.maximum is not None:
        notes.append(f"{_limit(field.minimum)} to {_limit(field.maximum)}")
    notes += ["may be null"] if field.nullable and not field.optional else []
    notes += (
        [f"may be left out: looked up in `{field.lookup}`" if field.lookup else "may be left out"]
        if field.optional
        else []
    )
    return ". ".join(note for note in notes if note).replace("|", "/")


def _limit(limit: Any) -> str:
    return "…" if limit is None else f"{limit:g}" if isinstance(limit, float) else str(limit)


def _outputs(signature: Signature) -> str:
    lines = [
        f"| {name} | {output.dtype} | {output.title or output.name} |"
        for name, output in signature.output_columns.items()
    ]
    return "\n".join(["## Outputs", "", "| output | type | meaning |", "|---|---|---|", *lines])


def _made(libraries: Mapping[str, str]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in libraries.items())
    return f"## Made with\n\n{versions}. `provenance.json` holds the digests of data, notebooks, code and parameters."
