"""`nbship replay`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import model_option

if TYPE_CHECKING:
    from ..inference import Replay

__all__ = ["command"]

_SHOWN = 25


@click.command()
@click.argument("id")
@click.option(
    "--package",
    type=click.Path(path_type=Path),
    help="The package that made the prediction.  [default: the project's]",
)
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(id: str, package: Path | None, model: str | None, as_json: bool) -> None:
    """Predict a logged row again and compare the bytes.

    Prints the prediction's lineage: its package, and the data, notebooks and parameters that made the
    package. Exits with code 1 if the outputs differ.

    \b
    Example:
        nbship replay 0193f0a2-7c1e-7a52-8e3b-5d2f9c1a7b44
    """
    from ..dvcstore import find_commit
    from ..inference import find_deployment, find_logged, replay

    deployment = find_deployment(package, model=model)
    with deployment.open_log() as log:
        # An unknown id is an error at once, before a model is loaded.
        record = find_logged(log, id)
        deployment = deployment.with_digest(record.digest, model=record.model)
        predictor = deployment.load()
        found = replay(log, id, predictor=predictor)
    commit = None if deployment.project is None else find_commit(deployment.package, deployment.project.root)
    lineage = {"commit": commit, **predictor.package.provenance.to_json()}
    click.echo(json.dumps(_as_json(found, lineage)) if as_json else "\n".join(_as_text(found, lineage)))
    if not found.same:
        sys.exit(1)


def _as_json(found: Replay, lineage: Mapping[str, Any]) -> dict[str, Any]:
    record = found.record
    return {
        "id": found.id, "same": found.same, "model": record.model, "version": record.version, "digest": record.digest,
        "at": record.at.isoformat(), "inputs": json.loads(found.inputs), "logged": json.loads(found.logged),
        "again": json.loads(found.again), "lineage": lineage,
    }  # fmt: skip


def _as_text(found: Replay, lineage: Mapping[str, Any]) -> Iterator[str]:
    record = found.record
    verdict = "same bytes" if found.same else "DIFFERENT bytes"
    yield f"{found.id}: {verdict}"
    yield f"  logged    {found.logged}"
    yield f"  replayed  {found.again}"
    yield f"  inputs    {found.inputs}"
    yield f"  time      {record.at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  caller    {record.caller}"
    yield f"  package   {record.model} {record.version} (sha256 {record.digest})"
    for title, content in lineage.items():
        yield from _section(title.replace("_", " "), content)


def _section(title: str, content: Any) -> Iterator[str]:
    if isinstance(content, Mapping) and content:
        yield f"  {title}"
        for name, value in list(content.items())[:_SHOWN]:
            yield f"    {name}: {_short(value)}"
        if len(content) > _SHOWN:
            yield f"    … and {len(content) - _SHOWN} more (--json lists all)"
    elif content not in (None, "", [], {}):
        yield f"  {title}: {_short(content)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text
