"""Build packages from estimators that `model.save_estimator` wrote."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..gate_warning import no_gate

__all__ = ["build", "signature"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_reference = click.option("--reference", type=_FILE, required=True, help="The training rows (CSV, Parquet).")
_keys = click.option("--key", "keys", multiple=True, help="A column that identifies a row; may be repeated.")
_event_time = click.option("--event-time", help="The column with the time of each row.")


@click.command()
@click.argument("model", type=_FILE)
@_reference
@click.option(
    "--golden",
    type=_FILE,
    help="Rows whose outputs the package must reproduce.  [default: evenly spaced rows of --reference]",
)
@click.option("--signature", type=_FILE, help="An edited signature.json.  [default: inferred from --reference]")
@_keys
@_event_time
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The package's folder.  [default: models/<name of MODEL>]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def build(
    model: Path, reference: Path, golden: Path | None, signature: Path | None, keys: tuple[str, ...], event_time: str | None,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Build the package of MODEL, a file that `model.save_estimator` wrote.

    The same estimator, rows and signature give the same bytes.

    \b
    Example:
        nbship package build credit.skops --reference train.parquet --golden held_out.parquet
    """
    from ...model.build import package_saved

    name = output.name if output else model.stem
    folder = output or Path("models") / name
    made = package_saved(
        model, folder, reference=reference, golden=golden, signature=signature, name=name, keys=keys, event_time=event_time,
    )  # fmt: skip
    if as_json:
        click.echo(json.dumps({"package": str(folder), "model": name, "version": made.version}))
    else:
        click.echo(
            f"Built package '{name}', version {made.version}, in '{folder}'. Test it with `nbship verify {folder}`."
        )
    click.echo(no_gate(name), err=True)


@click.command()
@click.argument("model", type=_FILE)
@_reference
@_keys
@_event_time
@click.option("--limits", is_flag=True, help="Limit each number to its minimum and maximum in --reference.")
@click.option("--output", type=_FILE, default=Path("signature.json"), show_default=True, help="The file to write.")
def signature(
    model: Path, reference: Path, keys: tuple[str, ...], event_time: str | None, limits: bool, output: Path
) -> None:
    """Infer the signature of MODEL from its training rows, as a file to edit.

    \b
    Example:
        nbship package signature credit.skops --reference train.parquet
        nbship package build credit.skops --reference train.parquet --signature signature.json
    """
    from ...model.build import infer_signature

    output.write_bytes(infer_signature(model, reference, keys=keys, event_time=event_time, limits=limits))
    click.echo(f"Wrote '{output}'. Edit it (units, limits, help, pii …), then build with `--signature {output}`.")
