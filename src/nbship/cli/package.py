"""`nbship package`."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--reference", type=_FILE, help="Of a saved estimator: its training rows (CSV, Parquet).")
@click.option("--golden", type=_FILE, help="Rows whose answers are kept as proof.  [default: of --reference, evenly]")
@click.option("--signature", type=_FILE, help="An edited signature.json.  [default: inferred from --reference]")
@click.option("--write-signature", "draft", type=_FILE, help="Only infer the signature, for you to edit.")
@click.option("--limits", is_flag=True, help="With --write-signature: the numbers that were seen are the limits.")
@click.option("--key", "keys", multiple=True, help="A column that identifies a row.")
@click.option("--event-time", help="The column that tells when a row happened.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where its package goes.  [default: models/<name>]",
)
@click.option(
    "--wheel", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where the wheel goes.  [default: dist]"
)
@click.option("--onnx", type=_FILE, help="Write the model as ONNX too, for other languages and devices.")
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    envvar="NBSHIP_SIGNING_KEY",
    show_envvar=True,
    help="Sign the package with this Ed25519 private key (PEM), into <package>.sig beside it.",
)
@click.option(
    "--container",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the context of a container image that serves it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the paths as JSON.")
def command(
    path: Path | None, reference: Path | None, golden: Path | None, signature: Path | None, draft: Path | None, keys: tuple[str, ...],
    event_time: str | None, output: Path | None, folder: Path | None, onnx: Path | None, key: Path | None, container: Path | None,
    limits: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make a wheel of a model package: it predicts wherever it is installed, without nbship or the project.

    PATH is the package's folder; by default the project's own package. It may also be an estimator that
    `model.save_estimator` wrote: its package is made first. The same package gives the same bytes.

    \b
    Example:
        nbship package models/credit --wheel dist --onnx dist/credit.onnx
        pip install dist/credit_model-*.whl
        nbship package credit.skops --reference train.parquet --write-signature signature.json
        nbship package credit.skops --reference train.parquet --signature signature.json
        nbship package models/credit --container build/credit
    """
    from ..model.build import build_wheel, infer_signature, package_saved, write_context, write_onnx
    from ..model.package import sign_package
    from ..project import load

    if (reference is None) != (path is None or path.is_dir()):
        raise click.UsageError(
            "A saved estimator needs its training rows: `--reference train.parquet`." if reference is None else "--reference goes with a saved estimator: PATH is its model.skops."
        )  # fmt: skip
    if path is not None and reference is not None:
        if draft is not None:
            draft.write_bytes(infer_signature(path, reference, keys=keys, event_time=event_time, limits=limits))
            click.echo(f"'{draft}': edit it (units, limits, help, pii …), then package with `--signature {draft}`.")
            return
        name = output.name if output else path.stem
        model, path = path, output or Path("models") / name
        made = package_saved(
            model, path, reference=reference, golden=golden, signature=signature, name=name, keys=keys, event_time=event_time,
        )  # fmt: skip
        if not as_json:
            click.echo(f"'{path}': the package {name} {made.version}. `nbship verify {path}` proves it.")
    package = path or load().package
    signed = None if key is None else sign_package(package, key)
    wheel = build_wheel(package, folder or Path("dist"))
    if signed is not None:
        wheel.with_name(f"{wheel.name}.sig").write_bytes(signed.read_bytes())
    apart = None if onnx is None else write_onnx(package, onnx)
    module = wheel.name.partition("-")[0]
    context = None if container is None else write_context(package, container, name=module.removesuffix("_model"))
    if as_json:
        told = {
            "package": package,
            "wheel": wheel,
            "module": module,
            "signature": signed,
            "onnx": onnx,
            "container": container,
        }
        click.echo(
            json.dumps({name: value and str(value) for name, value in told.items()} | {"onnx_difference": apart})
        )
        return
    if signed is not None:
        click.echo(f"'{signed}': the package is signed. `release.signers` in nbship.yaml says whose signature counts.")
    if onnx is not None:
        click.echo(f"'{onnx}': the ONNX graph; its answers differ by up to {apart:.0e} on 10,000 generated rows.")
    if context is not None:
        click.echo(
            f"'{container}': build it with `docker build -t {context.tag} {container}`; compose.yaml says how it runs."
        )
        click.echo(f"  {context.distributions} libraries, {context.size / 1e6:.0f} MB installed, beside Python itself.")
    click.echo(f"'{wheel}': install it anywhere, then `import {module}; {module}.predict(rows)`.")
