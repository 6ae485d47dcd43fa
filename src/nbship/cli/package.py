"""`nbship package`."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--wheel", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where it goes.  [default: dist]"
)
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    envvar="NBSHIP_SIGNING_KEY",
    show_envvar=True,
    help="Sign the package with this Ed25519 private key (PEM), into <package>.sig beside it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the wheel's path as JSON.")
def command(path: Path | None, folder: Path | None, key: Path | None, as_json: bool) -> None:
    """Make a wheel of a model package: it predicts wherever it is installed, without nbship or the project.

    PATH is the package's folder; by default the project's own package. The same package gives the same bytes.

    \b
    Example:
        nbship package models/credit --wheel dist
        pip install dist/credit_model-*.whl
    """
    from ..model.signing import sign_package
    from ..model.wheel import build_wheel
    from ..project import load

    package = path or load().package
    signature = None if key is None else sign_package(package, key)
    wheel = build_wheel(package, folder or Path("dist"))
    if signature is not None:
        wheel.with_name(f"{wheel.name}.sig").write_bytes(signature.read_bytes())
    module = wheel.name.partition("-")[0]
    if as_json:
        click.echo(json.dumps({"wheel": str(wheel), "module": module, "signature": signature and str(signature)}))
    else:
        if signature is not None:
            click.echo(
                f"'{signature}': the package is signed. `release.signers` in nbship.yaml says whose signature counts."
            )
        click.echo(f"'{wheel}': install it anywhere, then `import {module}; {module}.predict(rows)`.")
