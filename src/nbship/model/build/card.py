"""The model card: what a model is for, what it takes, how good it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..signature import Field, Signature

__all__ = ["make_card"]


def make_card(
    name: str,
    told: str | Mapping[str, Any],
    *,
    signature: Signature,
    metrics: Mapping[str, Any] | None,
    libraries: Mapping[str, str],
) -> str:
    """Return the card as Markdown: what the data scientist told, then what the package knows by itself.

    Parameters
    ----------
    told
        Markdown; or a mapping with `purpose`, `limits` and `metrics`.
    """
    if isinstance(told, str):
        sections = [told.strip() or f"# {name}"]
        scores = metrics
    else:
        sections = [f"# {name}", str(told.get("purpose", ""))]
        sections += [f"## Limits\n\n{told['limits']}"] if told.get("limits") else []
        scores = metrics or told.get("metrics")
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
        f"| {name} | {output.dtype} | {output.title or output.name} |" for name, output in signature.answers.items()
    ]
    return "\n".join(["## Outputs", "", "| output | type | meaning |", "|---|---|---|", *lines])


def _made(libraries: Mapping[str, str]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in libraries.items())
    return f"## Made with\n\n{versions}. `provenance.json` holds the digests of data, notebooks, code and parameters."
