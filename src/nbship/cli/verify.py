"""`nbship verify`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import model_option

__all__ = ["command"]


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--other-versions",
    is_flag=True,
    help="Allow other library versions, if the golden rows get the same outputs within the backend's tolerance.",
)
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print the passed tests as JSON.")
def command(path: Path | None, other_versions: bool, model: str | None, as_json: bool) -> None:
    """Test a model package: its files, library versions, backend and golden rows.

    PATH is a package folder or a wheel (default: the project's package). Exits with code 1 at the first
    test that fails.

    \b
    Example:
        nbship verify models/credit
    """
    from ..acceptance import prove
    from ..inference import find_deployment
    from ..predictor import read_package

    deployment = find_deployment(path, model=model)
    deployment.require_package()
    proofs = []
    if (signer := deployment.check_signer(read_package(deployment.package)[0])) is not None:
        proofs.append({"proof": "signer", "detail": f"signed by '{signer}', an allowed signer"})
        if not as_json:
            click.echo(f"{'signer':<12} {proofs[0]['detail']}")
    for proof in prove(deployment.package, other_versions=other_versions):
        proofs.append({"proof": proof.name, "detail": proof.detail})
        if not as_json:
            click.echo(f"{proof.name:<12} {proof.detail}")
    if as_json:
        click.echo(json.dumps({"path": str(deployment.package), "passed": True, "proofs": proofs}))
