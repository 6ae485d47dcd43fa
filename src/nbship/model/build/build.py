"""Build a model package: a folder with everything that predictions need, and the evidence that they are right."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic_write import replacing_folder, write_whole
from ...errors import GateError, PackageError, SignatureError
from ...text import first_line
from ..backends import (
    dump_estimator,
    libraries_in,
    load_estimator_bytes,
    targets_of,
    types_in,
)
from ..compiler import choose_backend
from ..package import (
    MANIFEST,
    Manifest,
    Package,
    PackagedModel,
    Provenance,
    collect_code,
    distributions_in,
    distributions_of,
    dump_lookups,
    json_bytes,
    make_manifest,
    read_manifest,
)
from ..signature import OutputReader, Rows, Signature, read_rows, with_names
from .accepted_values import check_accepted_values, check_single_rows, with_limits
from .card import make_card
from .deployed import deployed
from .evidence import gather_evidence
from .fitted_columns import check_fitted_columns
from .fitted_estimator import check_estimator
from .inferred_outputs import infer_outputs
from .mlflow import mlflow_files
from .oracle import ask, disagreement, explain
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
    given: Mapping[str, str] | None = None,
) -> Manifest:
    """Build the package of a fitted estimator. If it fails, the folder does not change.

    Parameters
    ----------
    folder
        The folder of the package; an earlier package is replaced.
    estimator
        A fitted scikit-learn estimator or pipeline; its input is a frame with the fields of the signature.
    signature
        The inputs of the model. Outputs are inferred from the estimator if the signature has none.
    golden
        Held-out rows, at least 500 if there are as many. Every copy of the package must reproduce their outputs.
    reference
        The training rows, with looked-up values. The package stores their distributions, and never the rows.
    card
        The model card as Markdown, or a mapping with `purpose`, `limits` and `metrics`.
    metrics
        Metrics on held-out rows, the baseline for monitoring.
    verdict
        Verdict of the gate: `passed` and `reasons`.
    given
        Field -> another field: the distribution of the field is stored for each value of the other, for monitoring. The
        other field is a category or the event time.

    Raises
    ------
    GateError
        If the verdict is that the model did not pass.
    SignatureError
        If there is no signature, or it does not fit the estimator or the rows.
    PackageError
        If there are too few golden rows, the estimator is not a fitted one, or it cannot be stored.
    """
    if verdict is not None and not verdict.get("passed"):
        reasons = "; ".join(str(each).rstrip(".") for each in verdict.get("reasons", ())) or "no reason given"
        raise GateError(f"The gate rejected model '{name}': {reasons}. No package was built.")
    if signature is None:
        raise SignatureError(f"Model '{name}' has no signature. Infer one: model.Signature.infer(training_frame).")
    if len(golden) < _LEAST_GOLDEN <= len(reference):
        raise PackageError(
            f"Model '{name}' has {len(golden)} golden rows. Pass at least {_LEAST_GOLDEN} held-out rows."
        )
    check_estimator(estimator)
    target, fitted = Path(folder), estimator
    golden, reference, estimator = with_names(golden), with_names(reference), deployed(estimator)
    check_fitted_columns(estimator, signature)
    try:
        signature = replace(signature, outputs=signature.outputs or infer_outputs(estimator, signature, golden))
    except (ValueError, TypeError) as error:
        if type(error).__name__.endswith("NotFittedError"):
            raise PackageError(
                f"{type(estimator).__name__} is not fitted. Call `fit` before the package is built."
            ) from error
        raise SignatureError(
            f"The estimator fails for rows of the signature: {first_line(error).rstrip('.')}. Infer the signature from the frame that it was fitted on."
        ) from error
    _check_lookups(signature, lookups)
    # Fails early, before the slow steps, if the signature names a target or class that the estimator does not have.
    OutputReader(signature, targets_of(estimator, several=1 + max(each.target for each in signature.outputs)))
    data = dump_estimator(estimator)
    code = collect_code(types_in(data))
    files = {
        "model.skops": data,
        "signature.json": json_bytes(signature.to_json()),
        "provenance.json": json_bytes(provenance.to_json()),
        **{f"code/{path}": content for path, content in code.items()},
        **dump_lookups(lookups),
    }
    rows = _given(signature, reference)
    base = _loaded(name, files)
    signature = with_limits(base, base.complete(rows))
    files["signature.json"] = json_bytes(signature.to_json())
    base = _loaded(name, files)
    check_accepted_values(base, base.complete(rows))
    frames = {"Golden": golden, "Training": reference}
    asked = {
        kind: (frame, ask(fitted, signature, frame))
        for kind, frame in frames.items()
        if set(signature.names) <= set(frame)
    }

    def differing(backend: Mapping[str, bytes]) -> Exception | None:
        model = _loaded(name, {**files, **backend})
        found = (disagreement(model, frame, expected, kind=kind) for kind, (frame, expected) in asked.items())
        try:
            check_single_rows(model, model.complete(rows))
        except SignatureError as error:
            return error
        return next(filter(None, found), None)

    choice = choose_backend(estimator, signature, columns=rows.columns, code=code, differing=differing)
    if choice.name == "sklearn":
        for kind, (frame, expected) in asked.items():
            if found := disagreement(base, frame, expected, kind=kind):
                raise explain(found, fitted, signature, frame)
        check_single_rows(base, base.complete(rows))
    # Compiled models do not need the library of their estimator.
    own = distributions_of(libraries_in(types_in(data))) if choice.name == "sklearn" else set()
    needed = sorted(own | distributions_in({**runtime_files(code, backend=choice.name), **code}))
    libraries = _libraries(needed)
    files |= {
        "provenance.json": json_bytes(replace(provenance, libraries=libraries).to_json()),
        "requirements.txt": "".join(f"{each}=={libraries[each]}\n" for each in needed).encode(),
        **mlflow_files(code, backend=choice.name, python=libraries["python"]),
        **choice.files,
    }
    files |= gather_evidence(
        name,
        files,
        signature,
        report=choice.report,
        golden=golden,
        reference=reference,
        metrics=metrics,
        verdict=verdict,
        given=given,
    )
    files["MODEL_CARD.md"] = make_card(name, card, signature=signature, metrics=metrics, libraries=libraries).encode()
    return _write(target, name, files)


def _given(signature: Signature, frame: pd.DataFrame) -> Rows:
    return read_rows(signature, frame[[name for name in signature.names if name in frame]])


def _loaded(name: str, files: Mapping[str, bytes]) -> PackagedModel:
    return PackagedModel(Package(read_manifest(make_manifest(name, files)), files), other_versions=True)


def _check_lookups(signature: Signature, lookups: Sequence[Lookup]) -> None:
    """Check that every lookup field has a lookup, and every lookup its keys."""
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


def save_estimator(estimator: Any, path: Path | str) -> None:
    """Write a fitted estimator to a skops file, for a later stage. Equal estimators give equal bytes."""
    write_whole(Path(path), dump_estimator(estimator))


def load_estimator(path: Path | str) -> Any:
    """Read an estimator that `save_estimator` wrote. Types of project modules are trusted.

    Raises
    ------
    CorruptPackageError
        If the file is damaged, or needs a type that is not trusted.
    """
    return load_own(Path(path).read_bytes())


def load_own(data: bytes) -> Any:
    """Load an estimator from bytes; see `load_estimator`."""
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
