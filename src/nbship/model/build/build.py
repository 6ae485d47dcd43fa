"""Build a model package: a folder that holds all that a prediction needs, and proves it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...atomic_write import replacing_folder, write_whole
from ...errors import GateError, PackageError, SignatureError
from ..backends import dump_estimator, finds_outliers, input_of, load_estimator_bytes, steps_of, targets_of, types_in
from ..compiler import choose_path
from ..features import ColumnFeatures
from ..package import (
    MANIFEST,
    Manifest,
    Provenance,
    collect_code,
    distributions_in,
    dump_lookups,
    json_bytes,
    make_manifest,
    read_manifest,
)
from ..signature import Output, OutputReader, Signature, Target, read_rows
from .card import make_card
from .evidence import gather_evidence
from .mlflow import mlflow_files
from .vendored import runtime_files

if TYPE_CHECKING:
    import pandas as pd

    from ...data import Lookup

__all__ = ["build_package", "load_estimator", "save_estimator"]

_LEAST_GOLDEN = 500
_LIBRARIES = ("numpy", "scikit-learn", "skops")


def build_package(
    folder: Path | str,
    *,
    name: str,
    estimator: Any,
    signature: Signature | None,
    golden: pd.DataFrame,
    reference: pd.DataFrame,
    provenance: Provenance,
    lookups: Sequence[Lookup] = (),
    card: str | Mapping[str, Any] = "",
    metrics: Mapping[str, Any] | None = None,
    verdict: Mapping[str, Any] | None = None,
) -> Manifest:
    """Build the package of a fitted estimator; the folder appears whole, or is left as it was.

    Parameters
    ----------
    folder
        Where the package goes; what lies there is replaced.
    estimator
        A fitted scikit-learn estimator or pipeline, which takes a frame of the signature's fields.
    signature
        What it takes. Outputs that it does not name are made from the estimator.
    golden
        Rows (at least 500, or all that there are) whose answers every copy of the package must give.
    reference
        The training rows, lookups included: their distributions are kept, never the rows.
    card
        The model card as Markdown, or `purpose`, `limits` and `metrics` from which it is written.
    metrics
        How good the model was on held-out rows, as monitoring compares with.
    verdict
        Of the gate: `passed` and `reasons`.

    Raises
    ------
    GateError
        If the verdict is no.
    SignatureError
        If there is no signature, or it does not fit the estimator or the rows.
    PackageError
        If there are too few golden rows, or the model cannot be stored.
    """
    if verdict is not None and not verdict.get("passed"):
        reasons = "; ".join(map(str, verdict.get("reasons", ()))) or "it gives no reason"
        raise GateError(f"The gate rejected model '{name}': {reasons}. No package was made.")
    if signature is None:
        raise SignatureError(f"Model '{name}' has no signature. Infer one: model.Signature.infer(training_frame).")
    if len(golden) < _LEAST_GOLDEN <= len(reference):
        raise PackageError(
            f"Model '{name}' has {len(golden)} golden rows. Give at least {_LEAST_GOLDEN} held-out rows."
        )
    target = Path(folder)
    signature = replace(signature, outputs=signature.outputs or infer_outputs(estimator, signature, golden))
    _refuse_misfit(signature, lookups)
    # A signature that names a target or class that there is not is refused before any work.
    OutputReader(signature, targets_of(estimator, several=1 + max(each.target for each in signature.outputs)))
    data = dump_estimator(estimator)
    code = collect_code(types_in(data))
    choice = choose_path(
        estimator,
        signature,
        columns=read_rows(signature, reference[[n for n in signature.names if n in reference]]).columns,
        code=code,
    )
    needed = sorted(distributions_in({**runtime_files(code, path=choice.name), **code}))
    libraries = _libraries(needed)
    files = {
        "model.skops": data,
        "signature.json": json_bytes(signature.to_json()),
        "provenance.json": json_bytes(replace(provenance, libraries=libraries).to_json()),
        "requirements.txt": "".join(f"{each}=={libraries[each]}\n" for each in needed).encode(),
        **mlflow_files(code, path=choice.name, python=libraries["python"]),
        **{f"code/{path}": content for path, content in code.items()},
        **dump_lookups(lookups),
        **choice.files,
    }
    files |= gather_evidence(
        name,
        files,
        signature,
        path=choice.report,
        estimator=estimator,
        golden=golden,
        reference=reference,
        metrics=metrics,
        verdict=verdict,
    )
    files["MODEL_CARD.md"] = make_card(name, card, signature=signature, metrics=metrics, libraries=libraries).encode()
    return _write(target, name, files)


def _refuse_misfit(signature: Signature, lookups: Sequence[Lookup]) -> None:
    """Refuse a signature that names lookups that there are not."""
    given = {lookup.name: lookup for lookup in lookups}
    for field in signature.inputs:
        if field.lookup is not None and field.name not in getattr(given.get(field.lookup), "columns", ()):
            raise SignatureError(
                f"Field '{field.name}' comes from the lookup '{field.lookup}', and no lookup of that name provides it. Pass it: build_package(…, lookups=[…])."
            )
    for lookup in lookups:
        if missing := [key.column for key in lookup.keys if key.column not in signature.names]:
            raise SignatureError(
                f"Lookup '{lookup.name}' needs the field '{missing[0]}', which the signature does not have. Add it."
            )


def infer_outputs(estimator: Any, signature: Signature, rows: pd.DataFrame) -> tuple[Output, ...]:
    """Return the outputs of an estimator: label and probability of a classifier, value of a regression, for each target."""
    if finds_outliers(estimator):
        label = Output("label", "int", "label", classes=(-1, 1), title="Label", help="-1 for an outlier")
        return label, Output("score", "float", "value", target=1, title="Score", help="Below 0 for an outlier")
    if getattr(estimator, "classes_", None) is not None:
        return tuple(
            output for place, each in enumerate(targets_of(estimator, several=1)) for output in _classified(each, place)
        )
    sample = read_rows(signature, rows[[name for name in signature.names if name in rows]].head(1)).columns
    takes_columns = isinstance(steps_of(estimator)[0], ColumnFeatures)
    data = sample if takes_columns else input_of(estimator, sample, signature)
    several = np.asarray(estimator.predict(data)).reshape(1, -1).shape[1]
    if several == 1:
        return (Output("value", "float", "value", title="Value"),)
    return tuple(
        Output(f"value_{place}", "float", "value", target=place, title=f"Value {place}") for place in range(several)
    )


def _classified(target: Target, place: int) -> tuple[Output, ...]:
    assert target.classes is not None
    values = tuple(target.classes.tolist())
    dtype = {bool: "bool", int: "int", float: "float"}.get(type(values[0]), "string")
    suffix, title = (f"_{place}", f" {place}") if place else ("", "")
    label = Output(f"label{suffix}", dtype, "label", classes=values, target=place, title=f"Label{title}")
    if not target.probabilistic:
        return (label,)
    positive = values[1] if len(values) == 2 else None
    probability = Output(
        f"probability{suffix}", "float", "probability", positive=positive, target=place, title=f"Probability{title}"
    )
    return (label, probability)


def save_estimator(estimator: Any, path: Path | str) -> None:
    """Write a fitted estimator between two stages: the same estimator gives the same bytes."""
    write_whole(Path(path), dump_estimator(estimator))


def load_estimator(path: Path | str) -> Any:
    """Read what `save_estimator` wrote; types of the project's own modules are trusted, as its code runs anyway.

    Raises
    ------
    CorruptPackageError
        If the file is damaged, or needs a type from elsewhere.
    """
    return load_own(Path(path).read_bytes())


def load_own(data: bytes) -> Any:
    """Read an estimator from the bytes of its file, as `load_estimator` does."""
    own = {name.partition(".")[0] for name in types_in(data) if collect_code([name])}
    return load_estimator_bytes(data, code=own)


def _libraries(needed: Sequence[str]) -> dict[str, str]:
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "nbship": _nbship_version()}
    for name in sorted({*_LIBRARIES, *needed}):
        found[name] = metadata.version(name)
    return found


def _nbship_version() -> str:
    from ... import __version__

    return __version__


def _write(target: Path, name: str, files: Mapping[str, bytes]) -> Manifest:
    manifest = make_manifest(name, files)
    with replacing_folder(target) as folder:
        for path, content in {**files, MANIFEST: manifest}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    return read_manifest(manifest)
