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
@click.option("--json", "as_json", is_flag=True, help="Print the wheel's path as JSON.")
def command(path: Path | None, folder: Path | None, as_json: bool) -> None:
    """Make a wheel of a model package: it predicts wherever it is installed, without nbship or the project.

    PATH is the package's folder; by default the project's own package. The same package gives the same bytes.

    \b
    Example:
        nbship package models/credit --wheel dist
        pip install dist/credit_model-*.whl
    """
    from ..model.wheel import build_wheel
    from ..project import load

    wheel = build_wheel(path or load().package, folder or Path("dist"))
    module = wheel.name.partition("-")[0]
    if as_json:
        click.echo(json.dumps({"wheel": str(wheel), "module": module}))
    else:
        click.echo(f"'{wheel}': install it anywhere, then `import {module}; {module}.predict(rows)`.")
