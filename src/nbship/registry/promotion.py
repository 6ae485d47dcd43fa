"""Let an alias lead to a version: promote, roll back. And archive versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from ..errors import ApprovalError, RegistryError
from ..project import Project
from ..text import listed
from .approvals import approve, approvers_of, authors_of, check_approved, needs_approval, was_approved
from .contents import MissingPackageError, locked_folder, read_contents, read_version
from .history import PRODUCTION, History, Version
from .publishing import NameTakenError, Published, publish
from .records import GateReport, PackageRecord, Record
from .registration import describe_gate
from .registry import Registry, open_registry
from .tag_names import TagName, check_name

__all__ = ["archive", "promote", "roll_back"]


@dataclass(frozen=True)
class _Change:
    """A change of the registry that is to be published."""

    registry: Registry
    history: History
    who: tuple[str, str]
    push: bool

    def publish(self, name: TagName, version: Version, record: Record, sentence: str) -> Published:
        git, last = self.registry.git, self.history.last()
        remote = git.remote() if self.push else ""
        return publish(
            git, name, commit=version.commit, sentence=sentence, record=record, who=self.who, remote=remote, after=last.time if last else None
        )  # fmt: skip


def promote(
    project: Project, spec: str = "", *, why: str, alias: str = PRODUCTION, key: Path | None = None, push: bool = True
) -> Published:  # fmt: skip
    """Let an alias lead to a version.

    Parameters
    ----------
    spec
        `MODEL@VERSION`; without a version, the latest.
    why
        The reason.
    key
        The private key of an approver, who approves.
    push
        Push the tag, if there is a remote.

    Raises
    ------
    ApprovalError
        If the promotion needs an approval.
    RegistryError
        If the alias leads there already, or another person changed it first. Then nothing has changed.
    """
    change, version = _prepare(project, spec, push=push)
    history, git, approvers = change.history, change.registry.git, approvers_of(project)
    check_name(alias, what="alias")
    if version.archived:
        raise RegistryError(
            f"'{version}' is archived. Promote another version, or register the package's commit again."
        )
    current = history.current(alias)
    if current and current.name == version.name and not _lacks_approval(history, alias, approvers):
        since = history.assignments[alias][-1].event
        raise RegistryError(
            f"'{version}' is in '{alias}' already: {since.who} promoted it at {since.time:%Y-%m-%d %H:%M} UTC."
        )
    name = TagName("assign", version.model, git.folder, alias=alias, number=history.numbers + 1)
    record = _record(change, "promote", version, alias=alias, why=why)
    authors = authors_of(version, git.signed_off(version.commit))
    if key is not None:
        if not approvers:
            raise ApprovalError(
                "The settings name no approvers, so there is nothing to approve. Add 'release.approvers' to nbship.yaml, or leave out --approve."
            )
        record = msgspec.structs.replace(
            record, approval=approve(record, tag=str(name), key=key, approvers=approvers, authors=authors)
        )
    elif needs_approval(alias, approvers):
        able = [each for each in approvers if each.casefold() not in {author.casefold() for author in authors}]
        raise ApprovalError(
            f"A promotion to '{alias}' needs the approval of a second person ({listed(able, most=3) or 'none is set'}): `nbship models promote {version} --why REASON --approve --key KEY`."
        )
    approved = f", approved by {record.approval.name}" if record.approval else ""
    return _publish(
        change,
        name,
        version,
        record,
        f"Promote {version.model} {version.name} to {alias}: {describe_gate(record.gate)}{approved}",
    )


def roll_back(project: Project, spec: str = "", *, why: str, alias: str = PRODUCTION, push: bool = True) -> Published:
    """Let an alias lead back to the version before, or to an earlier one; it needs no approval.

    Parameters
    ----------
    spec
        `MODEL`, or `MODEL@VERSION` for an earlier version that the alias led to.

    Raises
    ------
    RegistryError
        If there is no earlier version, or another person changed the alias first. Then nothing has changed.
    """
    registry = open_registry(project, refresh=push)
    history, wanted, _ = registry.split(spec)
    change = _Change(registry, history, registry.git.identity(), push)
    earlier = [version for version in history.earlier(alias) if version.archived is None]
    current = history.current(alias)
    if not earlier:
        now = f", and '{current}' is the first" if current else ""
        raise RegistryError(
            f"No earlier version of '{history.model}' was in '{alias}'{now}. Promote another: `nbship models promote`."
        )
    version = history.version(wanted) if wanted else earlier[0]
    if version.name not in [each.name for each in earlier]:
        raise RegistryError(
            f"'{version}' is not a version that '{alias}' may go back to: those are {listed(earlier, most=5)}. `nbship models promote {version}` takes any."
        )
    if not was_approved(history, version, alias, approvers=approvers_of(project)):
        raise ApprovalError(
            f"'{version}' was in '{alias}' before promotions had to be approved, so a rollback to it needs an approval: `nbship models promote {version} --why REASON --approve --key KEY`."
        )
    name = TagName("assign", history.model, registry.git.folder, alias=alias, number=history.numbers + 1)
    record = _record(change, "rollback", version, alias=alias, why=why)
    sentence = f"Roll {history.model} in {alias} back from {current.name if current else 'none'} to {version.name}"
    return _publish(change, name, version, record, sentence)


def archive(project: Project, spec: str, *, why: str = "", push: bool = True) -> Published:
    """Archive a version: it is no longer listed, promoted or gone back to.

    Raises
    ------
    RegistryError
        If an alias leads to it, or it is archived already.
    """
    registry = open_registry(project, refresh=push)
    history, wanted, _ = registry.split(spec)
    if not wanted:
        raise RegistryError(
            f"Name the version to archive, such as '{history.versions[-1] if history.versions else f'{history.model}@v1.0.0'}'."
        )
    version = history.version(wanted)
    if version.archived:
        raise RegistryError(
            f"'{version}' is archived already: {version.archived.who} did it at {version.archived.time:%Y-%m-%d %H:%M} UTC."
        )
    if used := history.aliases(version):
        raise RegistryError(
            f"'{version}' is in {listed(used, quoted=True)}, and what is used cannot be archived. Promote another version first."
        )
    change = _Change(registry, history, registry.git.identity(), push)
    name = TagName("archive", version.model, registry.git.folder, version=version.name)
    return _publish(
        change, name, version, _record(change, "archive", version, why=why), f"Archive {version.model} {version.name}"
    )


def _prepare(project: Project, spec: str, *, push: bool) -> tuple[_Change, Version]:
    registry = open_registry(project, refresh=push)
    version = registry.find(spec)
    return _Change(registry, registry.history(version.model), registry.git.identity(), push), version


def _publish(change: _Change, name: TagName, version: Version, record: Record, sentence: str) -> Published:
    notes = _missing(change, version) if name.alias else ()
    try:
        done = change.publish(name, version, record, sentence)
    except NameTakenError as error:
        raise RegistryError(_lost(change, name, error)) from error
    return replace(done, notes=(*done.notes, *notes))


def _missing(change: _Change, version: Version) -> tuple[str, ...]:
    """Return a note if the files of a version cannot be fetched here; a changed package is an error."""
    try:
        read_version(change.registry.project, change.registry.git, version)
    except MissingPackageError as error:
        return (f"Not checked: {error}",)
    return ()


def _lost(change: _Change, name: TagName, error: NameTakenError) -> str:
    """Return the sentence for the person who was second."""
    if error.tag is None or not name.alias:
        return str(error)
    after = Registry(change.registry.project, change.registry.git).history(name.model)
    made = next((each for each in after.assignments.get(name.alias, ()) if each.event.tag == error.tag.name), None)
    to = f"'{made.version}'" if made and made.version else "another version"
    return (
        f"{error.tag.who} was first: '{name.alias}' leads to {to} since {error.tag.time:%H:%M:%S} UTC ({error.tag.name}). "
        "Nothing of yours has changed. Look at it with `nbship models show`, and try again if yours should still follow."
    )


def _record(change: _Change, action: str, version: Version, *, why: str, alias: str = "") -> Record:
    current = change.history.current(alias) if alias else None
    return Record(
        action=action, model=version.model, version=version.name, package=_package(change, version), gate=version.gate or GateReport(), alias=alias,
        previous=current.name if current else "", who=f"{change.who[0]} <{change.who[1]}>", why=why,
    )  # fmt: skip


def _package(change: _Change, version: Version) -> PackageRecord:
    if version.package:
        return version.package
    # A version that another program registered: its package is that of its commit.
    project = change.registry.project
    path, md5 = locked_folder(project, change.registry.git, version.commit, version.model)
    manifest, files = read_contents(project, md5, where=str(version))
    return PackageRecord(path, manifest.digest, md5, sum(map(len, files.values())), len(files))


def _lacks_approval(history: History, alias: str, approvers: Mapping[str, str]) -> bool:
    try:
        check_approved(history, history.assignments[alias][-1], approvers=approvers)
    except ApprovalError:
        return True
    return False
