"""Build from a package: wheel, ONNX graph, container context, signature."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import ProjectError
from ...text import listed
from ..options import model_option

if TYPE_CHECKING:
    from ...inference import Deployment

__all__ = ["container", "onnx", "sign", "wheel"]

_FOLDER = click.Path(path_type=Path, file_okay=False)


def _of_package(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument `package` (default: the project's) and the options `--model` and `--json`."""
    package = click.argument("package", required=False, type=click.Path(path_type=Path))
    return package(
        model_option(click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function))
    )


def _folder_of(package: Path | None, model: str | None) -> Path:
    from ...project import load

    return package or load(model=model).package


def _allowed(package: Path | None, model: str | None) -> Deployment:
    """Return the deployment of a package that the settings allow."""
    from ...inference import find_deployment
    from ...predictor import read_package

    deployment = find_deployment(package, model=model)
    deployment.require_package()
    deployment.check_signer(read_package(deployment.package)[0])
    return deployment


@click.command()
@_of_package
@click.option("--to", "folder", type=_FOLDER, default=Path("dist"), show_default=True, help="Where the wheel goes.")
def wheel(package: Path | None, model: str | None, folder: Path, as_json: bool) -> None:
    """Build a wheel that predicts without nbship or the project.

    PACKAGE is a package folder (default: the project's package). A signature beside it is copied along.

    \b
    Example:
        nbship package wheel models/credit
        pip install dist/credit_model-*.whl
    """
    from ...model.build import build_wheel

    path = _allowed(package, model).package
    made = build_wheel(path, folder)
    signature = path.with_name(f"{path.name}.sig")
    if signature.is_file():
        made.with_name(f"{made.name}.sig").write_bytes(signature.read_bytes())
    module = made.name.partition("-")[0]
    if as_json:
        click.echo(json.dumps({"wheel": str(made), "module": module}))
    else:
        click.echo(f"Built '{made}'. Install it, then `import {module}; {module}.predict(rows)`.")


@click.command()
@_of_package
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
def onnx(package: Path | None, model: str | None, file: Path, as_json: bool) -> None:
    """Write a package's model as an ONNX graph, for other languages and devices.

    \b
    Example:
        nbship package onnx models/credit --to credit.onnx
    """
    from ...model.build import write_onnx

    difference = write_onnx(_allowed(package, model).package, file)
    if as_json:
        click.echo(json.dumps({"onnx": str(file), "largest_difference": difference}))
    else:
        click.echo(f"Wrote '{file}'. Its outputs differ by at most {difference:.0e} on 10,000 generated rows.")


@click.command()
@_of_package
@click.option("--to", "folder", type=_FOLDER, required=True, help="The folder to write.")
@click.option(
    "--lock",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="uv.lock or pylock.toml with the hashes of the libraries.  [default: the project's]",
)
def container(package: Path | None, model: str | None, folder: Path, lock: Path | None, as_json: bool) -> None:
    """Write the build context of a container image that serves a package.

    The image installs the versions that are installed here, by the hashes of the lock file if it has them all. It
    requires the signers of 'release.signers'; its other settings are environment variables.

    \b
    Example:
        nbship package container models/credit --to build/credit
        docker build -t credit build/credit
    """
    from ...model.build import write_context
    from ...model.package import MANIFEST, read_manifest
    from ...project import changed_settings

    deployment = _allowed(package, model)
    path = deployment.package
    manifest = path / MANIFEST
    name = read_manifest(manifest.read_bytes()).name if manifest.is_file() else path.name
    lock = lock or _project_lock()
    signers = list(map(Path, deployment.settings.release.signers))
    context = write_context(path, folder, name=name, lock=lock, signers=signers)
    left_out = changed_settings(deployment.settings, ("serving", "log"))
    if as_json:
        about = {"tag": context.tag, "libraries": context.distributions, "bytes": context.size, "by_hash": not context.unlocked, "settings_left_out": left_out}  # fmt: skip
        click.echo(json.dumps({"container": str(folder), **about}))
        return
    click.echo(
        f"Wrote '{folder}'. Build the image with `docker build -t {context.tag} {folder}`; compose.yaml runs it."
    )
    click.echo(f"  {context.distributions} libraries, {context.size / 1e6:.0f} MB installed, not counting Python.")
    if context.unlocked:
        why = f"'{lock}' lacks {listed(context.unlocked, most=1, quoted=True)}" if lock else "there is no lock file"
        click.echo(f"  Libraries are required by version, not by hash: {why}.")
    if left_out:
        variable = f"NBSHIP_{left_out[0].replace('.', '__').upper()}"
        click.echo(
            f"  The image does not have {listed(left_out, quoted=True)} of the settings. Set what it needs as variables, such as {variable}, in compose.yaml."
        )


def _project_lock() -> Path | None:
    """Return the lock file of the project around the working directory."""
    from ... import project
    from ...model.build import find_lock

    try:
        return find_lock(project.find_root())
    except ProjectError:
        return None


@click.command()
@_of_package
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    envvar="NBSHIP_SIGNING_KEY",
    show_envvar=True,
    help="Your Ed25519 private key (PEM).",
)
def sign(package: Path | None, model: str | None, key: Path, as_json: bool) -> None:
    """Sign a package, into <package>.sig beside it.

    \b
    Example:
        nbship package sign models/credit --key maker.pem
    """
    from ...model.package import sign_package

    signature = sign_package(_folder_of(package, model), key)
    if as_json:
        click.echo(json.dumps({"signature": str(signature)}))
    else:
        click.echo(f"Wrote '{signature}'. `release.signers` in nbship.yaml lists the allowed signers.")
