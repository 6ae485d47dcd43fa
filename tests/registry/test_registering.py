"""`nbship models register`: what is accepted, what is rejected, and what the tag records."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from registries import Call, commit_package, git

from nbship.model.package import read_files
from nbship.project import load
from nbship.registry import open_registry


def tags(root: Path) -> list[str]:
    return git(root, "tag").split()


def test_the_tag_records_who_why_package_and_gate(root: Path, call: Call) -> None:
    code, out, _ = call(root, "register", "--why", "the first one")
    manifest, _ = read_files(root / "models/small")
    assert code == 0
    assert out.startswith(
        f"Registered small@v1.0.0: package {manifest.version} of commit {git(root, 'rev-parse', 'HEAD')[:12]}, gate passed (2 checks).\n"
    )
    assert "Recorded in this clone only" in out
    message = git(root, "tag", "--list", "--format=%(contents)", "small@v1.0.0")
    sentence, why, block = message.split("\n\n", 2)
    assert sentence == "Register small v1.0.0: gate passed (2 checks)"
    assert why == "the first one"
    record = json.loads(block.removeprefix("---\n"))
    outs = {out["path"]: out["md5"] for out in _outs(root)}
    assert record == {
        "format": 1, "action": "register", "model": "small", "version": "v1.0.0", "who": "Alice <alice@example.com>", "why": "the first one",
        "package": {
            "path": "models/small", "digest": manifest.digest, "dvc": outs["models/small"], "files": 14,
            "size": sum(path.stat().st_size for path in (root / "models/small").rglob("*") if path.is_file()),
        },
        "gate": {"verdict": "passed", "checks": 2, "reasons": ["all 2 checks passed"], "path": "out/verdict.json", "md5": outs["out/verdict.json"]},
        "metrics": {"auc": 0.71, "brier": 0.2},
    }  # fmt: skip
    assert git(root, "cat-file", "-t", "small@v1.0.0") == "tag"
    assert git(root, "rev-parse", "small@v1.0.0^{commit}") == git(root, "rev-parse", "HEAD")


def _outs(root: Path) -> list[dict[str, str]]:
    from nbship.dvcstore import read_lock

    return list(read_lock(root / "dvc.lock")["fit"]["outs"])


def test_the_next_version_is_the_next_minor_one_unless_another_is_given(root: Path, call: Call) -> None:
    for number, words in ((2, ()), (3, ("--version", "2.0.0-rc.1")), (4, ("--version", "v2.0.0")), (5, ())):
        commit_package(root, number)
        assert call(root, "register", *words)[0] == 0
    assert tags(root) == ["small@v1.0.0", "small@v2.0.0", "small@v2.0.0-rc.1", "small@v2.1.0"]
    commit_package(root, 6)
    for wrong, sentence in (
        ("v2.0.0", "'small' has a version 'v2.0.0' already"),
        ("2.0", "'v2.0' is not a semantic version"),
    ):
        code, _, err = call(root, "register", "--version", wrong)
        assert (code, sentence in err, err.count("\n")) == (1, True, 1)


def test_an_earlier_commit_can_be_registered_from_a_changed_checkout(root: Path, call: Call) -> None:
    first = git(root, "rev-parse", "HEAD")
    commit_package(root, 2)
    (root / "params.yaml").write_text("fit:\n  seed: 3\n")
    code, _, err = call(root, "register")
    assert code == 1
    assert "The checkout has changes that are not committed: 'params.yaml'. Commit them" in err
    assert call(root, "register", "--commit", "HEAD~1")[0] == 0
    assert git(root, "rev-parse", "small@v1.0.0^{commit}") == first
    assert "auc 0.71" in call(root, "list")[1]


def test_a_package_is_registered_once(root: Path, call: Call) -> None:
    call(root, "register")
    code, _, err = call(root, "register")
    assert code == 1
    assert "is registered already, as 'small@v1.0.0' at commit" in err
    # Another commit with the same package, such as one that changes the README.
    (root / "README.md").write_text("# Late\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "README")
    code, _, err = call(root, "register")
    assert (code, "is registered already" in err) == (1, True)
    assert tags(root) == ["small@v1.0.0"]


def test_a_lock_of_other_files_is_rejected(root: Path, call: Call) -> None:
    (root / "params.yaml").write_text("fit:\n  seed: 5\n")
    git(root, "commit", "--quiet", "--all", "--message", "Another seed, not run")
    code, _, err = call(root, "register")
    assert code == 1
    assert "is not of this commit's files: 'fit.seed' differs. Run `nbship run`, and commit dvc.lock." in err
    commit_package(root, 5)
    (root / "notebooks/fit.ipynb").write_text('{"cells": [1]}\n')
    git(root, "commit", "--quiet", "--all", "--message", "Another notebook, not run")
    assert "'notebooks/fit.ipynb' differs" in call(root, "register")[2]
    assert tags(root) == []


def test_data_that_differ_from_those_of_the_lock_are_rejected(root: Path, call: Call) -> None:
    lock = (root / "dvc.lock").read_text()
    deps = "    - path: notebooks/fit.ipynb\n"
    (root / "dvc.lock").write_text(
        lock.replace(deps, f"    - path: data.csv\n      hash: md5\n      md5: aa\n      size: 2\n{deps}")
    )
    (root / "data.csv.dvc").write_text("outs:\n- md5: bb\n  size: 2\n  hash: md5\n  path: data.csv\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Other data")
    assert "'data.csv' differs" in call(root, "register")[2]


@pytest.mark.parametrize(
    ("verdict", "words", "sentence"),
    [
        (None, (), "This package passed no gate: its pipeline has none. Add one, or register it all the same with --no-gate"),
        ({"passed": False, "reasons": ["auc is 0.5, limit 0.6"]}, ("--no-gate",), "The gate did not accept this package: auc is 0.5, limit 0.6. It cannot be registered."),
    ],
)  # fmt: skip
def test_a_package_without_the_consent_of_a_gate_is_rejected(
    root: Path, call: Call, verdict: object, words: tuple[str, ...], sentence: str
) -> None:
    commit_package(root, 2, verdict=verdict)  # type: ignore[arg-type]
    code, _, err = call(root, "register", *words)
    assert (code, sentence in err) == (1, True)
    assert tags(root) == []


def test_that_there_was_no_gate_is_said_loudly(root: Path, call: Call) -> None:
    commit_package(root, 2, verdict=None)
    assert "NO GATE" in call(root, "register", "--no-gate")[1]
    assert "NO GATE" in call(root, "list")[1]
    assert "NO GATE" in call(root, "show", "small@v1.0.0")[1]
    assert "Warning: small@v1.0.0 passed NO GATE" in call(root, "promote", "--why", "urgent")[1]
    assert [version["gate"] for version in json.loads(call(root, "list", "--json")[1])] == [{}]
    assert "small@v1.0.0" in call(root, "search", "no gate")[1]


def test_files_that_are_nowhere_are_named(root: Path, call: Call) -> None:
    shutil.rmtree(root / ".dvc/cache")
    code, _, err = call(root, "register")
    assert code == 1
    assert "is not in DVC's cache. Run `nbship run` at its commit" in err


def test_a_commit_without_a_lock_or_a_package_is_rejected(root: Path, call: Call) -> None:
    git(root, "rm", "--quiet", "dvc.lock")
    git(root, "commit", "--quiet", "--message", "No lock")
    assert "has no 'dvc.lock', which records the package" in call(root, "register")[2]
    (root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  fit:\n    cmd: x\n")
    git(root, "add", "dvc.lock")
    git(root, "commit", "--quiet", "--message", "An empty lock")
    assert "records no package 'models/small'" in call(root, "register")[2]
    assert "There is no commit 'nowhere'" in call(root, "register", "--commit", "nowhere")[2]
    assert "There is no model 'smal'. Did you mean 'small'?" in call(root, "register", "smal")[2]


def test_a_damaged_cache_is_never_registered(root: Path, call: Call) -> None:
    md5 = next(out["md5"] for out in _outs(root) if out["path"] == "models/small")
    listing = json.loads((root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).read_bytes())
    file = root / ".dvc/cache/files/md5" / listing[0]["md5"][:2] / listing[0]["md5"][2:]
    file.chmod(0o644)
    file.write_bytes(b"another content")
    code, _, err = call(root, "register")
    assert (code, "is not in DVC's cache" in err) == (1, True)
    assert tags(root) == []


def test_a_version_is_found_by_number_digest_and_alias(root: Path, call: Call) -> None:
    call(root, "register")
    call(root, "promote", "--why", "first", "--to", "dev")
    registry = open_registry(load(root))
    version = registry.find("small@v1.0.0")
    assert version.package is not None
    for name in ("small@1.0.0", "v1.0.0", f"small@{version.package.digest[:12]}", "small#dev", "small"):
        assert registry.find(name).name == "v1.0.0"
    for name, sentence in (
        ("small@v3.0.0", "'small' has no version 'v3.0.0'. Did you mean 'v1.0.0'?"),
        ("small#production", "No version of 'small' is in 'production'. Its aliases: dev."),
        ("small@v1@v2", "'small@v1@v2' names no version. Write MODEL@VERSION or MODEL#ALIAS."),
    ):
        with pytest.raises(Exception, match=sentence.replace(".", r"\.").replace("?", r"\?")):
            registry.find(name)
