"""Repositories as people have them: without a remote, read-only, shallow, detached, without a name, in a subfolder."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from registries import Call, add_remote, clone, commit_package, git, write_registry_project


def remote_tags(remote: Path) -> list[str]:
    return git(remote, "tag").split()


def test_without_a_repository(root: Path, call: Call) -> None:
    shutil.rmtree(root / ".git")
    for words in (("list",), ("register",), ("show",)):
        code, _, err = call(root, *words)
        assert code == 1
        assert "is not in a Git repository, and the registry of models is tags of one. Run `git init`" in err


def test_without_a_commit(root: Path, call: Call) -> None:
    shutil.rmtree(root / ".git")
    git(root, "init", "--quiet", ".")
    git(root, "config", "user.name", "Alice")
    git(root, "config", "user.email", "alice@example.com")
    assert call(root, "list")[0] == 0
    assert "The repository has no commit yet." in call(root, "register")[2]


def test_without_a_remote(root: Path, call: Call) -> None:
    assert "Recorded in this clone only, not pushed." in call(root, "register")[1]
    assert "Recorded in this clone only" in call(root, "promote", "--why", "first")[1]


def test_without_a_name(root: Path, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git(root, "config", "--unset", "user.name")
    git(root, "config", "--unset", "user.email")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in [
        each
        for each in os.environ
        if each.startswith(("GIT_AUTHOR", "GIT_COMMITTER")) or each in ("EMAIL", "XDG_CONFIG_HOME")
    ]:
        monkeypatch.delenv(name)
    code, _, err = call(root, "register")
    assert code == 1
    assert (
        "Git does not know your name and e-mail address, which the registry records. Set them: `git config user.name NAME`"
        in err
    )
    assert git(root, "tag") == ""
    assert call(root, "list")[0] == 0
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Robot")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "robot@example.com")
    assert call(root, "register")[0] == 0
    assert "Robot" in call(root, "list")[1]


def test_with_a_detached_head(root: Path, call: Call, tmp_path: Path) -> None:
    remote = add_remote(root, tmp_path / "origin.git")
    git(root, "checkout", "--quiet", "--detach")
    assert call(root, "register")[0] == 0
    assert call(root, "promote", "--why", "first")[0] == 0
    assert remote_tags(remote) == ["small#production#1", "small@v1.0.0"]


def test_with_a_remote_that_accepts_no_pushes(shared: tuple[Path, Path], call: Call) -> None:
    root, _ = shared
    remote = root.parent / "origin.git"
    hook = remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'You have no right to push tags.' >&2\nexit 1\n")
    hook.chmod(hook.stat().st_mode | stat.S_IEXEC)
    code, _, err = call(root, "register")
    assert code == 1
    assert "'origin' did not accept the tag 'small@v1.0.0': You have no right to push tags. Nothing has changed." in err
    assert err.count("\n") == 1
    assert git(root, "tag") == git(remote, "tag") == ""
    assert call(root, "register", "--no-push")[0] == 0
    assert git(root, "tag") == "small@v1.0.0"


def test_with_a_remote_that_cannot_be_reached(shared: tuple[Path, Path], call: Call) -> None:
    root, _ = shared
    call(root, "register")
    (root.parent / "origin.git").rename(root.parent / "gone.git")
    code, _, err = call(root, "promote", "--why", "first")
    assert code == 1
    assert "The registry in 'origin' cannot be read:" in err
    assert "use --no-push to record it in this clone only" in err
    assert call(root, "list")[0] == 0
    assert call(root, "promote", "--why", "first", "--no-push")[0] == 0


def test_what_was_not_pushed_is_pushed_with_the_next_change(shared: tuple[Path, Path], call: Call) -> None:
    root, bob = shared
    call(root, "register", "--no-push")
    call(root, "promote", "--why", "first", "--no-push")
    commit_package(root, 2)
    git(root, "tag", "--annotate", "--message", "Not of the registry", "v7")
    out = call(root, "register")[1]
    assert "2 earlier tags that had not been pushed were pushed too." in out
    assert remote_tags(root.parent / "origin.git") == ["small#production#1", "small@v1.0.0", "small@v1.1.0"]
    assert "small@v1.0.0  production" in call(bob, "list", "--fetch")[1]


def test_with_several_remotes_and_none_of_them_chosen(root: Path, call: Call, tmp_path: Path) -> None:
    for name in ("here", "there"):
        git(root, "init", "--quiet", "--bare", str(tmp_path / name))
        git(root, "remote", "add", name, str(tmp_path / name))
    code, _, err = call(root, "register")
    assert (code, "Choose the one with the registry: `git config remote.pushDefault NAME`." in err) == (1, True)
    git(root, "config", "remote.pushDefault", "there")
    assert "Pushed to 'there'." in call(root, "register")[1]


def test_in_a_shallow_clone_without_tags(shared: tuple[Path, Path], call: Call, tmp_path: Path) -> None:
    root, _ = shared
    call(root, "register")
    commit_package(root, 2)
    git(root, "push", "--quiet")
    remote = root.parent / "origin.git"
    shallow = clone(remote, tmp_path / "shallow", "Carol", "--depth", "1", "--no-tags", "--no-local")
    shutil.copytree(root / ".dvc/cache", shallow / ".dvc/cache")
    assert (
        "This is a shallow clone, which may lack the tags. --fetch asks the remote for them."
        in call(shallow, "list")[1]
    )
    assert "small@v1.0.0" in call(shallow, "list", "--fetch")[1]
    assert "Registered small@v1.1.0" in call(shallow, "register")[1]
    assert call(shallow, "promote", "v1.0.0", "--why", "first")[0] == 0
    assert remote_tags(remote) == ["small#production#1", "small@v1.0.0", "small@v1.1.0"]
    assert "There is no commit 'v9'. This is a shallow clone" in call(shallow, "register", "--commit", "v9")[2]


def test_a_project_in_a_folder_of_the_repository(small_package: Path, tmp_path: Path, call: Call) -> None:
    top = tmp_path / "everything"
    top.mkdir()
    root = write_registry_project(top, small_package, inner="teams/risk")
    commit_package(root, 1)
    (top / "README.md").write_text("# Others' work\n")
    git(top, "add", ".")
    git(top, "tag", "--annotate", "--message", "Another team's", "small@v7.0.0")
    git(top, "commit", "--quiet", "--message", "README")
    (top / "README.md").write_text("# Not committed, and not of this project\n")
    remote = add_remote(top, tmp_path / "origin.git")
    assert call(root, "register")[0] == 0
    assert call(root, "promote", "--why", "first")[0] == 0
    assert remote_tags(remote) == ["small@v7.0.0", "teams/risk=small#production#1", "teams/risk=small@v1.0.0"]
    assert "small@v1.0.0  production" in call(root, "list")[1]
    assert "v7" not in call(root, "list")[1]
    other = clone(remote, tmp_path / "bob", "Bob", "--no-tags") / "teams/risk"
    assert "small@v1.0.0  production" in call(other, "list", "--fetch")[1]
    assert "models/small" in call(other, "show", "small@v1.0.0", "--json")[1]


def test_a_tag_that_was_moved_is_named(shared: tuple[Path, Path], call: Call) -> None:
    root, bob = shared
    call(root, "register")
    git(bob, "tag", "--annotate", "--message", "Mine", "small@v1.0.0")
    code, _, err = call(bob, "promote", "--why", "x")
    assert code == 1
    assert "The tag 'small@v1.0.0' is another one here than in 'origin'." in err


def test_a_reading_command_says_how_old_its_tags_are(shared: tuple[Path, Path], call: Call) -> None:
    root, bob = shared
    call(root, "register")
    assert "No version is registered" in call(bob, "list")[1]
    assert "not fetched since it was cloned. --fetch asks the remote." in call(bob, "list")[1]
    out = call(bob, "list", "--fetch")[1]
    assert "small@v1.0.0" in out
    assert "--fetch" not in out
    os.utime(bob / ".git/FETCH_HEAD", (0, 0))
    assert "days after the last fetch. --fetch asks the remote." in call(bob, "list")[1]
