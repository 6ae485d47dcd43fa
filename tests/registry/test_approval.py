"""Promotions to production that a second person must sign."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from registries import Call, commit_package, git, person
from signers import write_key

from nbship.errors import ApprovalError
from nbship.project import load
from nbship.registry import locate


@pytest.fixture
def keys(root: Path, tmp_path: Path) -> Path:
    """Private keys; Alice, who registers, and Bob are approvers, Mallory is none."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("alice", "bob", "mallory"):
        write_key(folder, name, ssh=name == "bob")
    (root / "keys").mkdir()
    for name in ("alice", "bob"):
        (root / f"keys/{name}.pub").write_bytes((folder / f"{name}.pub").read_bytes())
    (root / "nbship.yaml").write_text(
        "project: {name: small}\nrelease:\n  approvers: {alice@example.com: keys/alice.pub, bob@example.com: keys/bob.pub}\n"
    )
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Approvers")
    return folder


def promote(root: Path, call: Call, *words: str, key: Path | None = None) -> tuple[int, str, str]:
    approval = ("--approve", "--key", str(key)) if key else ()
    return call(root, "promote", *words, "--why", "read the report", *approval)


def test_production_needs_the_signature_of_another_person(root: Path, keys: Path, call: Call) -> None:
    call(root, "register")
    code, _, err = promote(root, call)
    assert code == 1
    assert "A promotion to 'production' needs the approval of a second person (bob@example.com)" in err
    code, _, err = promote(root, call, key=keys / "alice")
    assert code == 1
    assert (
        "'alice@example.com' is an author of v1.0.0 and cannot approve it. Let another person approve: 'bob@example.com'."
        in err
    )
    code, _, err = promote(root, call, key=keys / "mallory")
    assert (code, "is not that of an approver" in err) == (1, True)
    assert "--approve needs your private key" in call(root, "promote", "--why", "x", "--approve")[2]
    assert git(root, "tag") == "small@v1.0.0"
    person(root, "Bob")
    code, out, _ = promote(root, call, key=keys / "bob")
    assert (code, "bob@example.com approved it. Tag: small#production#1" in out) == (0, True)
    assert "approved by  bob@example.com, by a valid signature" in call(root, "show")[1]
    assert promote(root, call, "--to", "shadow")[0] == 0  # other aliases need no approval


def test_the_author_of_the_commit_cannot_approve_either(root: Path, keys: Path, call: Call) -> None:
    person(root, "Bob")
    call(root, "register")
    # Bob registered what Alice committed.
    for name in ("alice", "bob"):
        assert f"'{name}@example.com' is an author of v1.0.0" in promote(root, call, key=keys / name)[2]


def test_a_tag_that_git_alone_wrote_is_not_used(root: Path, keys: Path, call: Call) -> None:
    call(root, "register")
    git(root, "tag", "--annotate", "--message", "Just do it", "small#production#1", "small@v1.0.0^{commit}")
    assert "NOT APPROVED. 'small#production#1' has no valid approval" in call(root, "show")[1]
    with pytest.raises(ApprovalError, match=r"so 'small@v1.0.0' is not used"):
        locate(load(root), "small#production")
    assert call(root, "pin")[0] == 1
    # The same version may be promoted again, with an approval.
    person(root, "Bob")
    assert promote(root, call, key=keys / "bob")[0] == 0
    assert locate(load(root), "small#production").version == "v1.0.0"


def test_an_approval_is_good_for_one_promotion_of_one_package(root: Path, keys: Path, call: Call) -> None:
    call(root, "register")
    person(root, "Bob")
    promote(root, call, key=keys / "bob")
    person(root, "Alice")
    commit_package(root, 2)
    call(root, "register")
    message = git(root, "tag", "--list", "--format=%(contents)", "small#production#1")
    first, second = (git(root, "rev-parse", f"small@{version}^{{commit}}") for version in ("v1.0.0", "v1.1.0"))
    other = message.replace("v1.0.0", "v1.1.0")
    for text, commit in ((message, first), (message, second), (other, second)):
        git(root, "tag", "--annotate", "--cleanup=verbatim", "--message", text, "small#production#2", commit)
        with pytest.raises(ApprovalError):
            locate(load(root), "small#production")
        git(root, "tag", "--delete", "small#production#2")
    assert locate(load(root), "small#production").version == "v1.0.0"


def test_a_signature_of_a_package_is_no_approval(root: Path, keys: Path, call: Call) -> None:
    from nbship.model.package import sign_message

    call(root, "register")
    person(root, "Bob")
    promote(root, call, key=keys / "bob")
    message = git(root, "tag", "--list", "--format=%(contents)", "small#production#1")
    head, _, block = message.partition("\n---\n")
    record = json.loads(block)
    record["approval"]["signature"] = sign_message(
        b"nbship package manifest\n" + record["package"]["digest"].encode(), keys / "bob"
    )[1]
    git(
        root,
        "tag",
        "--force",
        "--annotate",
        "--message",
        f"{head}\n---\n{json.dumps(record, indent=1)}",
        "small#production#1",
        "small@v1.0.0^{commit}",
    )
    with pytest.raises(ApprovalError):
        locate(load(root), "small#production")


def test_a_rollback_needs_no_approval_but_goes_back_to_approved_versions_alone(
    root: Path, keys: Path, call: Call
) -> None:
    settings = (root / "nbship.yaml").read_text()
    (root / "nbship.yaml").write_text("project: {name: small}\n")
    git(root, "commit", "--quiet", "--all", "--message", "No approvers yet")
    call(root, "register")
    promote(root, call)
    (root / "nbship.yaml").write_text(settings)
    for number in (2, 3):
        person(root, "Alice")
        commit_package(root, number)
        call(root, "register")
        person(root, "Bob")
        assert promote(root, call, key=keys / "bob")[0] == 0
    person(root, "Alice")
    assert call(root, "rollback", "--why", "alert")[0] == 0
    assert locate(load(root), "small#production").version == "v1.1.0"
    code, _, err = call(root, "rollback", "--why", "alert")
    assert code == 1
    assert "'small@v1.0.0' was in 'production' before promotions had to be approved" in err


def test_approvers_that_are_not_set_or_not_readable(root: Path, keys: Path, call: Call) -> None:
    (root / "keys/bob.pub").write_text("nothing")
    call(root, "register", "--commit", "HEAD")
    assert "keys/bob.pub' cannot be read" in promote(root, call, key=keys / "mallory")[2]
    (root / "nbship.yaml").write_text("project: {name: small}\n")
    assert "The settings name no approvers" in promote(root, call, key=keys / "bob")[2]
    (root / "nbship.yaml").write_text("release: {approvers: [keys/bob.pub]}\n")
    code, _, err = promote(root, call)
    assert (code, "'release.approvers' in nbship.yaml is a list" in err) == (1, True)
