"""The approval of a promotion by a second person, who signs it.

What is signed names the tag, so that an approval is good for one promotion and no later one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import ApprovalError
from ..model.package import fingerprint, is_signed, require_cryptography, sign_message
from ..project import Project, with_absolute_paths
from ..text import listed
from .history import PRODUCTION, Assignment, History, Version
from .records import Approval, Record

__all__ = [
    "approve",
    "approved_version",
    "approvers_of",
    "authors_of",
    "check_approved",
    "needs_approval",
    "was_approved",
]

# Domain separation: the same key may sign packages, and no such signature approves a promotion.
_PURPOSE = b"nbship promotion\n"


def approvers_of(project: Project) -> Mapping[str, str]:
    """Return the approvers of a project: e-mail address -> file of the public key."""
    return with_absolute_paths(project.settings, project.root).release.approvers


def needs_approval(alias: str, approvers: Mapping[str, str]) -> bool:
    """Tell whether promotions to an alias need an approval: those to `production`, if the settings name approvers."""
    return alias == PRODUCTION and bool(approvers)


def approve(record: Record, *, tag: str, key: Path, approvers: Mapping[str, str], authors: Collection[str]) -> Approval:
    """Sign a promotion.

    Parameters
    ----------
    record
        The record of the promotion.
    key
        The approver's private key.
    approvers
        E-mail address -> file of the public key.
    authors
        E-mail addresses that may not approve: those of the authors.

    Raises
    ------
    ApprovalError
        If the key is not that of an approver, or the approver is an author.
    SignerError
        If a key cannot be read.
    """
    signer, signature = sign_message(_message(record, tag), key)
    name = next((name for name, path in approvers.items() if fingerprint(Path(path)) == signer), None)
    if name is None:
        raise ApprovalError(
            f"The key '{key}' is not that of an approver. 'release.approvers' in nbship.yaml has {listed(approvers, quoted=True)}. Let one of them approve."
        )
    if _is_author(name, authors):
        others = [each for each in approvers if not _is_author(each, authors)]
        raise ApprovalError(
            f"'{name}' is an author of {record.version} and cannot approve it. Let another person approve: {listed(others, quoted=True) or 'add one to release.approvers'}."
        )
    return Approval(name, signer, signature)


def check_approved(history: History, assignment: Assignment, *, approvers: Mapping[str, str]) -> None:
    """Check that the version of an assignment was approved, where that is required.

    A rollback needs no approval of its own, if the version was approved when it was promoted.

    Raises
    ------
    ApprovalError
        If it was not.
    """
    version = assignment.version
    if version is None or not needs_approval(assignment.alias, approvers):
        return
    require_cryptography("release.approvers")
    made = list(history.assignments[assignment.alias])
    # A rollback is as good as the promotion that it goes back to.
    until = made[: made.index(assignment)] if assignment.is_rollback else [assignment]
    if any(_is_approved(each, version, approvers) for each in until):
        return
    raise ApprovalError(
        f"'{assignment.event.tag}' has no valid approval of an approver in 'release.approvers', so '{version}' is not used. Let an approver promote it: `nbship models promote {version} --approve`."
    )


def approved_version(history: History, alias: str, *, approvers: Mapping[str, str]) -> Version | None:
    """Return the version that an alias leads to, for use; None without one.

    Raises
    ------
    ApprovalError
        If it lacks an approval that the settings require.
    """
    made = history.assignments.get(alias)
    if made:
        check_approved(history, made[-1], approvers=approvers)
    return history.current(alias)


def was_approved(history: History, version: Version, alias: str, *, approvers: Mapping[str, str]) -> bool:
    """Tell whether a rollback of an alias to a version needs no new approval."""
    made = history.assignments.get(alias, ())
    return not needs_approval(alias, approvers) or any(_is_approved(each, version, approvers) for each in made)


def authors_of(version: Version, emails: Mapping[str, str]) -> set[str]:
    """Return the e-mail addresses of the authors of a version: who registered it, and the author of its commit."""
    return {version.registered.email, emails["author"]}


def _is_approved(assignment: Assignment, version: Version, approvers: Mapping[str, str]) -> bool:
    record = assignment.event.record
    if record is None or record.approval is None or assignment.version is None:
        return False
    name = record.approval.name
    # The record must be about the version that the tag leads to, whose package is that of the registration.
    same = assignment.version.name == version.name == record.version and record.package == version.package
    if not same or record.alias != assignment.alias or name not in approvers:
        return False
    if _is_author(name, {version.registered.email}):
        return False
    return is_signed(_message(record, assignment.event.tag), record.approval.signature, Path(approvers[name]))


def _is_author(name: str, authors: Collection[str]) -> bool:
    return name.casefold() in {author.casefold() for author in authors}


def _message(record: Record, tag: str) -> bytes:
    about = {
        "tag": tag, "model": record.model, "version": record.version, "digest": record.package.digest, "alias": record.alias,
    }  # fmt: skip
    return _PURPOSE + json.dumps(about, sort_keys=True).encode()
