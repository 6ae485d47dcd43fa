"""Register the package of a commit as a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..dvcstore import parse_lock, read_repository
from ..errors import NbshipError, PipelineError, RegistryError
from ..model.package import Manifest, signature_path
from ..project import Project, parse_yaml
from ..text import listed, one_line
from .contents import locked_folder, locked_outs, read_contents
from .dvc_remote import push_contents
from .freshness import require_current
from .history import History
from .publishing import NameTakenError, Published, publish
from .records import GateReport, PackageRecord, Record
from .registry import Registry, open_registry
from .tag_names import TagName, check_name, parse_version

__all__ = ["FIRST_VERSION", "register"]

FIRST_VERSION = "v1.0.0"
_MOST_REASONS = 5


def register(
    project: Project, model: str = "", *, commit: str = "", version: str = "", why: str = "", no_gate: bool = False, push: bool = True
) -> Published:  # fmt: skip
    """Register the package that the `dvc.lock` of a commit records.

    Parameters
    ----------
    commit
        Empty for HEAD; then the checkout must have no changes.
    version
        Such as `v2.0.0`. Empty for the next minor version, or `v1.0.0` for the first.
    no_gate
        Also register a package that passed no gate.
    push
        Copy the package to DVC's default remote and push the tag, if there are remotes.

    Raises
    ------
    RegistryError
        If the package cannot be registered. Then nothing has changed, except that the package may be in DVC's remote.
    """
    registry = open_registry(project, refresh=push)
    git, name = registry.git, registry.the_model(model)
    history = registry.history(name)
    check_name(name, folder=git.folder)
    who = git.identity()
    if not commit:
        _require_clean(registry)
    at = git.commit_of(commit or "HEAD")
    path, md5 = locked_folder(project, git, at, name)
    require_current(git, at, parse_lock((git.file(at, "dvc.lock") or b"").decode()))
    manifest, files = read_contents(project, md5, where=f"{name} at {at[:12]}")
    _require_new(history, manifest, at)
    acceptance = _json(files, "acceptance.json")
    gate = _gate(project, registry, at, acceptance.get("verdict") or {})
    _require_gate(gate, no_gate=no_gate)
    number = _number(history, version)
    package = PackageRecord(path, manifest.digest, md5, sum(map(len, files.values())), len(files), _signature(project, path, manifest))  # fmt: skip
    metrics = {key: float(value) for key, value in (acceptance.get("metrics") or {}).items() if _is_number(value)}
    previous = history.versions[-1].name if history.versions else ""
    record = Record(
        action="register", model=name, version=number, package=package, gate=gate, metrics=metrics, previous=previous,
        who=f"{who[0]} <{who[1]}>", why=why,
    )  # fmt: skip
    remote = git.remote() if push else ""
    notes = _push_package(project, registry, at, md5, gate) if push else ()
    sentence = f"Register {name} {number}: {describe_gate(gate)}"
    last = history.last()
    try:
        done = publish(
            git, TagName("register", name, git.folder, version=number), commit=at, sentence=sentence, record=record, who=who, remote=remote,
            after=last.time if last else None,
        )  # fmt: skip
    except NameTakenError as error:
        raise RegistryError(f"{error} Register again, which takes the next number.") from error
    return Published(done.name, record, at, done.time, done.remote, (*done.notes, *notes))


def describe_gate(gate: GateReport) -> str:
    """Return the verdict of a gate in words.

    >>> describe_gate(GateReport("passed", 24)), describe_gate(GateReport())
    ('gate passed (24 checks)', 'NO GATE')
    """
    if gate.verdict == "none":
        return "NO GATE"
    return f"gate {gate.verdict} ({gate.checks} {'check' if gate.checks == 1 else 'checks'})"


def _require_clean(registry: Registry) -> None:
    git = registry.git
    inside = git.folder or "."
    changed = git.run("status", "--porcelain", "--untracked-files=no", "--", inside).splitlines()
    if changed:
        raise RegistryError(
            f"The checkout has changes that are not committed: {listed([line[3:] for line in changed], most=3, quoted=True)}. Commit them, or register what is committed with --commit HEAD."
        )


def _require_new(history: History, manifest: Manifest, commit: str) -> None:
    for version in history.versions:
        if version.package and version.package.digest == manifest.digest:
            archived = ", and archived" if version.archived else ""
            raise RegistryError(
                f"This package ({manifest.version}) is registered already, as '{version}' at commit {version.commit[:12]}{archived}. `nbship models show {version}` shows it."
            )
        # GTO finds the version of an alias by the commit alone.
        if version.commit == commit:
            raise RegistryError(
                f"Commit {commit[:12]} is '{version}' already. Commit the new package, and register that commit."
            )


def _require_gate(gate: GateReport, *, no_gate: bool) -> None:
    if gate.verdict == "failed":
        raise RegistryError(
            f"The gate did not accept this package: {listed(gate.reasons, most=2, separator='; ')}. It cannot be registered."
        )
    if gate.verdict == "none" and not no_gate:
        raise RegistryError(
            "This package passed no gate: its pipeline has none. Add one, or register it all the same with --no-gate, which the registry records."
        )


def _number(history: History, wanted: str) -> str:
    names = [version.name for version in history.versions]
    if not wanted:
        last = parse_version(names[-1]) if names else None
        return last.next_minor if last else FIRST_VERSION
    wanted = wanted if wanted.startswith("v") else f"v{wanted}"
    if parse_version(wanted) is None:
        raise RegistryError(f"'{wanted}' is not a semantic version. Write one such as 'v1.2.0'.")
    if wanted in names:
        raise RegistryError(
            f"'{history.model}' has a version '{wanted}' already. Take another number, or none for the next one."
        )
    return wanted


def _gate(project: Project, registry: Registry, commit: str, verdict: Mapping[str, Any]) -> GateReport:
    if not verdict:
        return GateReport()
    path = _report_path(registry, commit)
    outs = locked_outs(registry.git.file(commit, "dvc.lock") or b"")
    return GateReport(
        "passed" if verdict.get("passed") else "failed",
        len(verdict.get("checks") or ()),
        [str(reason) for reason in (verdict.get("reasons") or ())[:_MOST_REASONS]],
        path if path in outs else "",
        outs.get(path, ""),
    )


def _report_path(registry: Registry, commit: str) -> str:
    """Return the path of the product `verdict` in the pipeline of a commit; empty without one."""
    try:
        content = parse_yaml(
            (registry.git.file(commit, "pipeline.yaml") or b"").decode(), Path("pipeline.yaml"), PipelineError
        )
    except NbshipError:
        return ""
    products = [task.get("product") for task in content.get("tasks") or () if isinstance(task, Mapping)]
    return next((str(each["verdict"]) for each in products if isinstance(each, Mapping) and "verdict" in each), "")


def _signature(project: Project, path: str, manifest: Manifest) -> dict[str, Any] | None:
    file = signature_path(project.root / path)
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("manifest") == manifest.digest else None


def _push_package(project: Project, registry: Registry, commit: str, md5: str, gate: GateReport) -> tuple[str, ...]:
    repository = read_repository(project.root)
    if not repository.remote:
        return ("DVC has no default remote, so the package's files are on this machine alone. Add one with `dvc remote add --default`, and `dvc push`.",)  # fmt: skip
    try:
        push_contents(repository.root, [md5, *([gate.md5] if gate.md5 else [])])
    except PipelineError as error:
        raise RegistryError(f"{one_line(error)} Nothing was registered.") from error
    return ()


def _json(files: Mapping[str, bytes], path: str) -> Mapping[str, Any]:
    try:
        content = json.loads(files[path])
    except (KeyError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
