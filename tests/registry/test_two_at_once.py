"""Two people promote at once from two clones, and processes that are killed: a change is there, or it is not."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from registries import Call, commit_package, git

from nbship.project import load
from nbship.registry import open_registry

SECOND = re.compile(
    r"nbship: (Alice|Bob) was first: 'production' leads to 'small@v1\.\d\.0' since \d\d:\d\d:\d\d UTC \(small#production#\d+\)\. "
    r"Nothing of yours has changed\. Look at it with `nbship models show`, and try again if yours should still follow\.\n"
)
# Processes that have imported everything wait for a line; then each promotes its version.
SCRIPT = """\
import sys, time
import nbship.cli, nbship.registry.promotion, nbship.cli.models, msgspec
print("ready", flush=True)
sys.stdin.readline()
nbship.cli.main(["models", *sys.argv[1:]])
"""


@pytest.fixture
def both(shared: tuple[Path, Path], call: Call) -> tuple[Path, Path]:
    """Two clones with two registered versions, of which none is in production."""
    alice, bob = shared
    call(alice, "register")
    commit_package(alice, 2)
    call(alice, "register")
    git(bob, "fetch", "--quiet", "--tags")
    return shared


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=root,
        stdin=-1,
        stdout=-1,
        stderr=-1,
        text=True,
        start_new_session=True,
    )


def promote_at_once(both: tuple[Path, Path], number: int) -> bool:
    """Let both promote another version, and check that one of them was first and the other read who was; tell whether they met."""
    alice, bob = both
    remote = alice.parent / "origin.git"
    before = git(remote, "tag", "--list", "*#*").split()
    people = [
        start(root, "promote", f"small@v1.{version}.0", "--why", f"trial {number}", "--to", "production")
        for root, version in ((alice, number % 2), (bob, (number + 1) % 2))
    ]
    for process in people:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in people:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=120) for process in people]
    codes = [process.returncode for process in people]
    new = sorted(set(git(remote, "tag", "--list", "*#*").split()) - set(before))
    if codes == [0, 0]:
        # One was so late that the other's tag was fetched first: the promotions came one after the other.
        assert len(new) == 2
    else:
        assert sorted(codes) == [0, 1], printed
        (error,) = (errors for (_, errors), code in zip(printed, codes, strict=True) if code)
        assert SECOND.fullmatch(error) or "is in 'production' already" in error, error
        assert len(new) == 1
    for root in both:
        git(root, "fetch", "--quiet", "--tags")
        assert git(root, "for-each-ref", "refs/tags") == git(remote, "for-each-ref", "refs/tags")
    numbers = [int(name.rpartition("#")[2]) for name in git(remote, "tag", "--list", "*#*").split()]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    for root in both:
        registry = open_registry(load(root))
        current = registry.history("small").current("production")
        assert current is not None
        assert current.commit == git(remote, "rev-parse", f"small#production#{max(numbers)}^{{commit}}")
    return codes != [0, 0]


def test_of_two_people_one_is_first_and_the_other_is_informed(both: tuple[Path, Path]) -> None:
    for number in range(2):
        promote_at_once(both, number)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_of_two_people_one_is_first_in_fifty_trials(both: tuple[Path, Path]) -> None:
    met = sum(promote_at_once(both, number) for number in range(50))
    assert met >= 10


def test_two_processes_in_one_clone_without_a_remote(root: Path, call: Call) -> None:
    call(root, "register")
    commit_package(root, 2)
    call(root, "register")
    people = [start(root, "promote", f"small@v1.{version}.0", "--why", "at once") for version in (0, 1)]
    for process in people:
        assert process.stdout is not None
        process.stdout.readline()
    for process in people:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=120) for process in people]
    done = [process.returncode for process in people].count(0)
    assert len(git(root, "tag", "--list", "*#*").split()) == done >= 1, printed
    assert all(
        process.returncode == 0 or SECOND.fullmatch(errors)
        for process, (_, errors) in zip(people, printed, strict=True)
    ), printed


def test_the_second_person_reads_who_was_first(
    both: tuple[Path, Path], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = both
    from nbship.registry import publishing

    push = publishing._push

    def alice_is_quicker(*words: object, **options: object) -> object:
        monkeypatch.setattr(publishing, "_push", push)
        assert call(alice, "promote", "small@v1.1.0", "--why", "quicker")[0] == 0
        return push(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "_push", alice_is_quicker)
    code, _, err = call(bob, "promote", "small@v1.0.0", "--why", "slower")
    assert code == 1
    assert SECOND.fullmatch(err), err
    assert err.startswith("nbship: Alice was first: 'production' leads to 'small@v1.1.0'")
    # Bob has Alice's tag now, and none of his own.
    assert git(bob, "for-each-ref", "refs/tags") == git(alice, "for-each-ref", "refs/tags")


def test_two_registrations_at_once_do_not_take_one_number(
    shared: tuple[Path, Path], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = shared
    from nbship.registry import publishing

    commit_package(alice, 2)
    push = publishing._push

    def alice_is_quicker(*words: object, **options: object) -> object:
        monkeypatch.setattr(publishing, "_push", push)
        assert call(alice, "register")[0] == 0
        return push(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "_push", alice_is_quicker)
    code, _, err = call(bob, "register")
    assert code == 1
    assert (
        "The tag 'small@v1.0.0' is in 'origin' already: Alice created it first. Nothing has changed. Register again, which takes the next number."
        in err
    )
    assert "Registered small@v1.1.0" in call(bob, "register")[1]


def test_a_push_whose_answer_is_lost_has_succeeded(shared: tuple[Path, Path], call: Call) -> None:
    alice, _ = shared
    hook = alice.parent / "origin.git/hooks/post-receive"
    hook.write_text("#!/bin/sh\nkill -9 $PPID\n")  # after the tag has its name
    hook.chmod(0o755)
    assert call(alice, "register")[0] == 0
    assert git(alice, "tag") == git(alice.parent / "origin.git", "tag") == "small@v1.0.0"


def killed_runs(both: tuple[Path, Path], trials: int) -> None:
    alice, bob = both
    remote = alice.parent / "origin.git"
    chance = random.Random(7)
    started = time.monotonic()
    complete(start(alice, "promote", "small@v1.0.0", "--why", "how long it takes"))
    seconds = time.monotonic() - started
    ends = set()
    for number in range(trials):
        before = git(remote, "tag", "--list", "*#*").split()
        process = start(alice, "promote", f"small@v1.{(number + 1) % 2}.0", "--why", "killed")
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(chance.random() * seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        after = git(remote, "tag", "--list", "*#*").split()
        ends.add(len(after) - len(before))
        assert len(after) - len(before) in (0, 1)
        # The other person sees the whole tag or none, and the next command of the first one works.
        git(bob, "fetch", "--quiet", "--tags")
        for event in [each.event for each in open_registry(load(bob)).history("small").assignments["production"]]:
            assert event.record is not None
        for lock in (alice / ".git").rglob("*.lock"):
            lock.unlink()  # Git's own, which names its file to the user
    current = open_registry(load(bob)).history("small").current("production")
    assert current is not None
    other = "v1.0.0" if current.name == "v1.1.0" else "v1.1.0"
    complete(start(alice, "promote", f"small@{other}", "--why", "after all that"))
    git(bob, "fetch", "--quiet", "--tags")
    assert git(alice, "for-each-ref", "refs/tags") == git(bob, "for-each-ref", "refs/tags")


def complete(process: subprocess.Popen[str]) -> None:
    out, errors = process.communicate("\n", timeout=120)
    assert process.returncode == 0, out + errors


def test_a_killed_promotion_is_there_or_not(both: tuple[Path, Path]) -> None:
    killed_runs(both, 2)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_promotions_are_there_or_not(both: tuple[Path, Path]) -> None:
    killed_runs(both, 60)
