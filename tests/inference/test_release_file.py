"""The release file is whole at any time, names packages that are there, and loses no change."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from signers import write_key

from nbship import predictor
from nbship.errors import CorruptPackageError, PackageError, ReleaseError, SignatureError
from nbship.inference import Canary, ReleaseFollower, publish_release, read_release
from nbship.model.package import check_signer, sign_package


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "releases" / "small.json"


def follow(path: Path) -> ReleaseFollower:
    return ReleaseFollower(path, lambda folder, _: predictor.load(folder))


def test_a_release_names_a_package_beside_it(path: Path, small_package: Path) -> None:
    release = publish_release(path, small_package, tag="v1.0.0")
    digest = predictor.load(small_package).digest
    assert (release.model, release.serial, release.production.tag, release.production.digest) == ("small", 1, "v1.0.0", digest)  # fmt: skip
    assert read_release(path) == release
    assert predictor.load(path.parent / "packages" / digest).digest == digest
    assert json.loads(path.read_text(encoding="utf-8"))["production"] == {"digest": digest, "tag": "v1.0.0"}


def test_what_is_not_given_stays_and_a_new_version_ends_the_canary(
    path: Path, small_package: Path, small_challenger: Path
) -> None:
    publish_release(path, small_package, tag="v1.0.0")
    canary = publish_release(path, canary=small_challenger, canary_tag="v1.1.0", share=0.1)
    assert (canary.production.tag, canary.canary and canary.canary.version.tag) == ("v1.0.0", "v1.1.0")
    stopped = publish_release(path, stopped="prices are wrong")
    assert (stopped.production, stopped.canary, stopped.stopped) == (canary.production, canary.canary, "prices are wrong")  # fmt: skip
    next_one = publish_release(path, small_challenger)
    assert (next_one.canary, next_one.stopped) == (None, "prices are wrong")
    assert (publish_release(path, stopped="").stopped, read_release(path).serial) == ("", 5)


def test_a_signature_comes_along(path: Path, small_package: Path, tmp_path: Path) -> None:
    package = tmp_path / "models" / "small"
    shutil.copytree(small_package, package)
    sign_package(package, write_key(tmp_path, "maker"))
    release = publish_release(path, package)
    copied = path.parent / "packages" / release.production.digest
    assert check_signer(copied, predictor.load(copied).package.manifest, signers=[tmp_path / "maker.pub"]) is not None


def test_a_damaged_copy_is_replaced(path: Path, small_package: Path) -> None:
    digest = publish_release(path, small_package).production.digest
    copied = path.parent / "packages" / digest
    (copied / "signature.json").write_text("{}")
    with pytest.raises(CorruptPackageError):
        follow(path).read()
    publish_release(path, small_package)
    assert follow(path).read().package.id.digest == digest


def test_a_damaged_package_is_not_released(path: Path, small_package: Path, tmp_path: Path) -> None:
    publish_release(path, small_package)
    package = tmp_path / "models" / "small"
    shutil.copytree(small_package, package)
    (package / "MODEL_CARD.md").write_text("another one")
    with pytest.raises(CorruptPackageError):
        publish_release(path, package)
    with pytest.raises(PackageError):
        publish_release(path, tmp_path / "nowhere")
    assert read_release(path).serial == 1


def test_a_release_file_is_of_one_model(path: Path, small_package: Path, shop_package) -> None:
    publish_release(path, small_package)
    with pytest.raises(ReleaseError, match=r"is of one model, and not of 'shop' and 'small'\. Name another file"):
        publish_release(path, shop_package("linear"))
    assert read_release(path).serial == 1


def test_the_first_release_needs_a_version(path: Path) -> None:
    with pytest.raises(ReleaseError, match="Release a version to production first"):
        publish_release(path, stopped="not yet")
    assert not path.exists()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(path: Path, small_package: Path, share: float) -> None:
    with pytest.raises(ReleaseError, match="not between 0 and 1"):
        publish_release(path, small_package, canary=small_package, share=share)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"model": "small"}', '{"format": 2, "model": "small", "serial": 1, "at": "2024-01-01T00:00:00Z", "production": {"digest": "d"}}'],
)  # fmt: skip
def test_a_file_that_is_none_is_named(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"small\.json' is not a release file"):
        read_release(path)
    with pytest.raises(ReleaseError, match="There is no release file"):
        read_release(path.with_name("other.json"))


def test_a_follower_loads_each_version_once_and_remembers_the_one_before(path: Path, small_package: Path, small_challenger: Path) -> None:  # fmt: skip
    loaded = []

    def load(folder: Path, _: str) -> predictor.PackagePredictor:
        loaded.append(folder.name)
        return predictor.load(folder)

    follower = ReleaseFollower(path, load)
    for package in (small_package, small_challenger, small_package):
        publish_release(path, package)
        assert follower.changed()
        assert follower.read().package.id == predictor.load(package).package.id
        assert not follower.changed()
    assert len(loaded) == 2


def test_a_package_that_gets_a_version_of_the_registry_is_named_by_it(path: Path, small_package: Path) -> None:
    follower = ReleaseFollower(path, lambda folder, tag: predictor.load_files(*predictor.read_package(folder), tag=tag))
    publish_release(path, small_package)
    assert follower.read().models[0].tag == ""
    publish_release(path, small_package, tag="v1.0.0")
    assert follower.read().models[0].tag == "v1.0.0"


def test_what_was_seen_of_a_canary_counts_on_when_predictions_stop_and_start(path: Path, small_package: Path, small_challenger: Path) -> None:  # fmt: skip
    publish_release(path, small_package, canary=small_challenger, share=0.2)
    follower = follow(path)
    watches = []
    for stopped in (None, "wrong prices", ""):
        if stopped is not None:
            publish_release(path, stopped=stopped)
        canary = follower.read()
        assert isinstance(canary, Canary)
        watches.append(canary.watch)
    publish_release(path, canary=small_challenger, share=0.5)
    larger = follower.read()
    assert isinstance(larger, Canary)
    assert watches[0] is watches[1] is watches[2] is not larger.watch


def test_a_follower_does_not_change_the_model(path: Path, small_package: Path, shop_package, tmp_path: Path) -> None:
    publish_release(path, small_package)
    follower = follow(path)
    follower.read()
    other = tmp_path / "other" / "shop.json"
    publish_release(other, shop_package("linear"))
    shutil.copytree(other.parent / "packages", path.parent / "packages", dirs_exist_ok=True)
    shutil.copy(other, path)
    with pytest.raises(ReleaseError, match="is now of the model 'shop', and this service serves 'small'"):
        follower.read()


def test_a_canary_with_other_inputs_is_not_followed(path: Path, small_package: Path, tmp_path: Path) -> None:
    from packages import build_small

    from nbship.model import Field

    wider = build_small(tmp_path / "models", fields=[Field("colour", "category", open=True, example="red")])
    publish_release(path, small_package, canary=wider, share=0.5)
    with pytest.raises(SignatureError, match="cannot share requests"):
        follow(path).read()


def test_no_change_is_lost_if_many_are_made_at_once(path: Path, small_package: Path, small_challenger: Path) -> None:
    publish_release(path, small_package)
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda number: publish_release(path, stopped=str(number)).serial, range(24)))
    assert sorted(done) == list(range(2, 26))
    assert read_release(path).serial == 25


_PUBLISHING = """
import sys, itertools
from pathlib import Path
from nbship.inference import publish_release
packages = [Path(each) for each in sys.argv[2:]]
print("ready", flush=True)
for package in itertools.cycle(packages):
    publish_release(Path(sys.argv[1]), package)
"""


@pytest.mark.long
def test_a_killed_release_leaves_the_one_before(path: Path, small_package: Path, small_challenger: Path) -> None:
    publish_release(path, small_package)
    follower, serial = follow(path), 1
    for trial in range(50):
        command = [sys.executable, "-c", _PUBLISHING, str(path), str(small_package), str(small_challenger)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            shutil.rmtree(path.parent / "packages" / read_release(path).production.digest)
            time.sleep(0.002 * trial)
            process.send_signal(signal.SIGKILL)
        release = read_release(path)
        assert release.serial >= serial
        serial = release.serial
        publish_release(path, small_package)
        assert follower.read().package.id.name == "small"
