"""Copy versions and aliases to a registry of MLflow; the tags of Git stay what counts.

MLflow numbers versions itself, so a version of nbship is a tag of MLflow's: `nbship.version` is `v1.2.0`. Each copied version has
a run with the package as an artifact, so that `mlflow.pyfunc.load_model("models:/late@production")` loads it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import RegistryError
from ..text import one_line
from .contents import fetch_version, read_version
from .history import History, Version
from .registry import Registry

__all__ = ["mirror"]

_VERSION, _DIGEST, _COMMIT, _ARCHIVED = "nbship.version", "nbship.digest", "nbship.commit", "nbship.archived"


def mirror(registry: Registry, history: History, uri: str) -> Iterator[str]:
    """Copy what MLflow lacks of a model, and yield a sentence for each change; a second call changes nothing.

    Parameters
    ----------
    uri
        The address of MLflow's tracking server or database, such as `http://localhost:5000` or `sqlite:///mlflow.db`.

    Raises
    ------
    RegistryError
        If MLflow is not installed, cannot be reached, or has another package under the name of a version.
    """
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise RegistryError(
            "A copy to MLflow needs MLflow, which is not installed. Install it: `pip install mlflow`."
        ) from error
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    try:
        yield from _mirror(registry, history, client)
    except MlflowException as error:
        raise RegistryError(
            f"MLflow at '{uri}' did not take '{history.model}': {one_line(error)}. Correct that, and run the command again."
        ) from error


def _mirror(registry: Registry, history: History, client: Any) -> Iterator[str]:
    model = history.model
    if not any(each.name == model for each in client.search_registered_models(filter_string=f"name = '{model}'")):
        client.create_registered_model(model, description="A copy of nbship's registry, which is tags of Git.")
    known = {each.tags.get(_VERSION): each for each in client.search_model_versions(f"name = '{model}'")}
    for version in history.versions:
        if version.name not in known:
            known[version.name] = _copy(registry, version, client)
            yield f"Copied {version} as version {known[version.name].version}."
        _check_same(version, known[version.name])
        if version.archived and known[version.name].tags.get(_ARCHIVED) != "true":
            client.set_model_version_tag(model, known[version.name].version, _ARCHIVED, "true")
            yield f"Marked {version} as archived."
    aliases = dict(client.get_registered_model(model).aliases)
    for alias in history.assignments:
        current = history.current(alias)
        number = str(known[current.name].version) if current and current.name in known else None
        if number is not None and str(aliases.get(alias)) != number:
            client.set_registered_model_alias(model, alias, number)
            yield f"{model}@{alias} is version {number}, {current}."
        elif number is None and alias in aliases:
            client.delete_registered_model_alias(model, alias)
            yield f"{model}@{alias} leads to no version."


def _copy(registry: Registry, version: Version, client: Any) -> Any:
    package = read_version(registry.project, registry.git, version)
    experiment = client.get_experiment_by_name(version.model)
    id = experiment.experiment_id if experiment else client.create_experiment(version.model)
    run = client.create_run(id, run_name=str(version), start_time=int(version.registered.time.timestamp() * 1000))
    try:
        for name, value in {**version.metrics}.items():
            client.log_metric(run.info.run_id, name, value)
        for stage, values in package.provenance.params.items():
            for name, value in values.items():
                client.log_param(run.info.run_id, f"{stage}.{name}", value)
        with tempfile.TemporaryDirectory() as folder:
            fetch_version(registry.project, registry.git, version, Path(folder) / "model")
            client.log_artifacts(run.info.run_id, str(Path(folder) / "model"), "model")
    finally:
        client.set_terminated(run.info.run_id)
    tags = {_VERSION: version.name, _DIGEST: package.id.digest, _COMMIT: version.commit}
    return client.create_model_version(
        version.model, f"{run.info.artifact_uri}/model", run_id=run.info.run_id, tags=tags, description=version.registered.message[:4000],
    )  # fmt: skip


def _check_same(version: Version, copy: Any) -> None:
    digest = copy.tags.get(_DIGEST)
    if version.package and digest != version.package.digest:
        raise RegistryError(
            f"MLflow's version {copy.version} of '{version.model}' calls itself '{version.name}' and is the package {str(digest)[:12]}, not {version.package.short}. Delete it in MLflow, and run the command again."
        )
