"""From the registry to running services: a promotion, a canary beside it, a rollback."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from registries import Call, commit_package
from servers import serving
from waiting import wait_until

from nbship.inference import read_release

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "releases" / "small.json"
    monkeypatch.setenv("NBSHIP_RELEASE__FILE", str(path))
    return path


def registered(root: Path, call: Call, count: int) -> None:
    for number in range(1, count + 1):
        if number > 1:
            commit_package(root, number)
        assert call(root, "register")[0] == 0


def tags(path: Path) -> tuple[str, str | None]:
    found = read_release(path)
    return found.production.tag, found.canary.version.tag if found.canary else None


def test_promotions_and_rollbacks_are_released(root: Path, call: Call, release: Path) -> None:
    registered(root, call, 2)
    code, out, _ = call(root, "promote", "v1.0.0", "--why", "first")
    assert (code, "Release 1: services that follow it use small@v1.0.0." in out) == (0, True)
    call(root, "promote", "v1.1.0", "--to", "shadow", "--why", "another alias")
    assert tags(release) == ("v1.0.0", None)
    code, out, _ = call(root, "release", "v1.1.0", "--canary", "0.25")
    assert (code, out) == (0, "Release 2: services that follow it use small@v1.0.0, and small@v1.1.0 for 25% of the keys.\n")  # fmt: skip
    assert "use small@v1.1.0." in call(root, "promote", "v1.1.0", "--why", "better")[1]
    assert tags(release) == ("v1.1.0", None)
    assert "use small@v1.0.0." in call(root, "rollback", "--why", "alert")[1]
    assert tags(release) == ("v1.0.0", None)


def test_stopping_leaves_the_versions(root: Path, call: Call, release: Path) -> None:
    registered(root, call, 2)
    call(root, "promote", "v1.0.0", "--why", "first")
    call(root, "release", "v1.1.0", "--canary", "0.5")
    code, out, _ = call(root, "release", "--stop", "The prices of May are wrong.")
    assert (code, out) == (0, "Release 3: services that follow it make no predictions: The prices of May are wrong.\n")
    found = json.loads(call(root, "release", "--start", "--json")[1])
    assert (found["serial"], found["stopped"], found["canary"]["version"]["tag"]) == (4, "", "v1.1.0")
    assert tags(release) == ("v1.0.0", "v1.1.0")


@pytest.mark.parametrize(
    ("words", "expected", "code"),
    [
        (("release",), "No version of 'small' is in 'production'", 1),
        (("release", "v1.0.0", "--canary", "0.1"), "There is no release file", 1),
        (("release", "--canary", "0.1"), "A canary is a version: name it", 2),
        (("release", "--stop", "x", "--start"), "exclude each other", 2),
        (("release", "v1.0.0", "--canary", "2"), "is not in the range", 2),
        (("release", "--start"), "Release a version to production first", 1),
    ],
)
def test_what_cannot_be_released_is_one_sentence(root: Path, call: Call, release: Path, words: tuple[str, ...], expected: str, code: int) -> None:  # fmt: skip
    registered(root, call, 1)
    found, _, err = call(root, *words)
    assert (found, expected in err) == (code, True), err
    assert not release.exists()


def test_the_version_in_production_is_no_canary(root: Path, call: Call, release: Path) -> None:
    registered(root, call, 1)
    call(root, "promote", "--why", "first")
    code, _, err = call(root, "release", "v1.0.0", "--canary", "0.1")
    assert (code, "'small@v1.0.0' is in production already. Name another version." in err) == (1, True)
    assert read_release(release).serial == 1


def test_without_the_setting_it_is_named(root: Path, call: Call) -> None:
    registered(root, call, 1)
    assert call(root, "promote", "--why", "first")[0] == 0
    code, _, err = call(root, "release")
    assert (code, "The setting 'release.file' is empty, so services follow no file." in err) == (1, True)


def test_a_promotion_holds_though_it_cannot_be_released(root: Path, call: Call, release: Path) -> None:
    registered(root, call, 1)
    release.parent.mkdir()
    release.write_text("{}", encoding="utf-8")
    code, out, _ = call(root, "promote", "--why", "first")
    assert code == 0
    assert "Running services are not changed: " in out
    assert "Then run `nbship models release`." in out


def test_a_running_service_follows_the_registry(root: Path, call: Call, release: Path, tmp_path: Path) -> None:  # fmt: skip
    registered(root, call, 2)
    call(root, "promote", "v1.0.0", "--why", "first")
    with serving(None, tmp_path) as (url, _), httpx.Client() as client:
        answer = client.post(f"{url}/predict", json=RECORD).json()
        assert answer["tag"] == "v1.0.0"
        for words, tag in ((("promote", "v1.1.0"), "v1.1.0"), (("rollback",), "v1.0.0")):
            call(root, *words, "--why", "next")
            wait_until(lambda tag=tag: client.get(f"{url}/version").json()["tag"] == tag)
