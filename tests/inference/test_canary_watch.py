"""A service ends a canary that crashes, is slow, or predicts other values, and says so in the release file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from servers import running
from waiting import wait_until

from nbship import predictor
from nbship.errors import InvalidInputError, ReleaseError
from nbship.inference import Canary, Logged, ReleaseFollower, publish_release, read_release
from nbship.inference.releases import CanaryWatch, follower
from nbship.prediction_log import open_log
from nbship.predictor import PackagePredictor, RecordPredictions
from nbship.serving import Service


def record(number: int) -> dict[str, Any]:
    day, hour = divmod(number, 24)
    return {"at": f"2024-{1 + day // 28 % 12:02}-{1 + day % 28:02}T{hour:02}:00:00-05:00", "line": "ab"[number % 2], "size": number % 9 + 1, "weight": 9.5}  # fmt: skip


class Changed:
    """A predictor of a package that crashes, sleeps or predicts other probabilities."""

    def __init__(self, package: PackagePredictor, *, crashes: bool = False, sleeps: float = 0.0, adds: float = 0.0) -> None:  # fmt: skip
        self._package, self._crashes, self._sleeps, self._adds = package, crashes, sleeps, adds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._package, name)

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        found = self._package.predict_records(rows)
        if self._crashes:
            raise ZeroDivisionError("division by zero")
        if self._sleeps:
            time.sleep(self._sleeps)
        outputs = [{**one, "probability": min(1.0, one["probability"] + self._adds)} for one in found.outputs]
        return RecordPredictions(outputs, found.models)


@pytest.fixture(scope="module")
def pair(small_package: Path, small_challenger: Path) -> tuple[PackagePredictor, PackagePredictor]:
    return predictor.load(small_package), predictor.load(small_challenger)


def asked(
    pair: tuple[PackagePredictor, PackagePredictor], count: int, *, share: float = 0.3, **change: Any
) -> str | None:
    """Ask a canary for predictions of as many keys; return why it should end."""
    watch = CanaryWatch(share)
    canary = Canary(pair[0], Changed(pair[1], **change), share, watch)
    for number in range(count):
        with suppress(ZeroDivisionError):
            canary.predict_records([record(number)])
        if number % 20 == 0 and (reason := watch.check()):
            return reason
    return watch.check()


def test_an_equal_version_goes_on(pair: tuple[PackagePredictor, PackagePredictor]) -> None:
    assert asked(pair, 3000) is None


def test_a_crashing_version_ends_within_some_requests(pair: tuple[PackagePredictor, PackagePredictor]) -> None:
    reason = asked(pair, 100, crashes=True)
    assert reason is not None
    assert "keys whose requests failed belong to the canary, whose share is 30%." in reason


def test_a_slow_version_ends(pair: tuple[PackagePredictor, PackagePredictor]) -> None:
    reason = asked(pair, 1700, sleeps=0.005)
    assert reason is not None
    assert "with answers slower than " in reason


def test_a_version_with_other_predictions_ends(pair: tuple[PackagePredictor, PackagePredictor]) -> None:
    reason = asked(pair, 6000, adds=0.3)
    assert reason is not None
    assert "with predictions " in reason


def test_rejected_rows_are_no_failures(pair: tuple[PackagePredictor, PackagePredictor]) -> None:
    watch = CanaryWatch(0.5)
    canary = Canary(*pair, 0.5, watch)
    for number in range(300):
        with pytest.raises(InvalidInputError):
            canary.predict_records([{**record(number), "size": -1}])
    assert watch.check() is None


def test_several_rows_of_a_request_count_with_their_own_keys(pair: tuple[PackagePredictor, PackagePredictor]) -> None:
    watch = CanaryWatch(0.3)
    canary = Canary(pair[0], Changed(pair[1], crashes=True), 0.3, watch)
    with pytest.raises(ZeroDivisionError):
        canary.predict_records([record(number) for number in range(60)])
    reason = watch.check()
    assert reason is not None
    assert reason.endswith("keys whose requests failed belong to the canary, whose share is 30%.")


@pytest.fixture
def release(tmp_path: Path, small_package: Path, small_challenger: Path) -> Path:
    path = tmp_path / "releases" / "small.json"
    publish_release(path, small_package, canary=small_challenger, canary_tag="v1.1.0", share=0.5)
    return path


def follower_of(path: Path, **change: Any) -> ReleaseFollower:
    """Return a follower for which the canary is changed."""

    def load(folder: Path, tag: str) -> Any:
        found = predictor.load(folder)
        return Changed(found, **change) if tag else found

    return ReleaseFollower(path, load)


def crash(used: Any) -> None:
    for number in range(30):
        with suppress(ZeroDivisionError):
            used.predict_records([record(number)])


def test_the_release_file_says_why_the_canary_ended(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ReleaseFollower(release, lambda folder, _: predictor.load(folder))
    monkeypatch.setattr(PackagePredictor, "predict_records", _crashing_for(read_release(release).canary))
    other = ReleaseFollower(release, lambda folder, _: predictor.load(folder))
    monkeypatch.setattr(follower.ReleaseFollower, "_version", _without_a_first_prediction)
    other.read()
    crash(reader.read())
    judged = reader.judge()
    assert judged is not None
    champion, reason = judged
    found = read_release(release)
    assert (found.serial, found.canary, found.ended) == (2, None, reason)
    assert champion.package.id.digest == found.production.digest
    assert other.changed()
    assert other.read().models == champion.models
    assert reader.judge() is None


def test_a_newer_release_is_not_ended(release: Path, small_challenger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower.ReleaseFollower, "_version", _without_a_first_prediction)
    reader = follower_of(release, crashes=True)
    used = reader.read()
    again = publish_release(release, canary=small_challenger, canary_tag="v1.1.1", share=0.4)
    crash(used)
    assert reader.judge() is not None
    assert read_release(release) == again


def test_a_file_that_cannot_be_written_ends_it_here_all_the_same(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    def fail(*_: object) -> bool:
        raise ReleaseError("The release file cannot be written: Read-only file system.")

    monkeypatch.setattr(follower, "end_canary", fail)
    monkeypatch.setattr(follower.ReleaseFollower, "_version", _without_a_first_prediction)
    reader = follower_of(release, crashes=True)
    crash(reader.read())
    assert reader.judge() is not None
    assert read_release(release).canary is not None


def test_a_service_ends_a_crashing_canary_after_a_few_failures(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(follower.ReleaseFollower, "_version", _without_a_first_prediction)
    reader = follower_of(release, crashes=True)
    service = Service(lambda: Logged(reader.read(), open_log(tmp_path / "log.sqlite"), mode="rest"), follower=reader)
    statuses = list[int]()
    with running(service) as client:
        for number in range(400):
            statuses.append(client.post("/predict", json=record(number)).status_code)
            if statuses.count(500) and statuses[-20:] == [200] * 20:
                break
        assert client.get("/v2/health/ready").status_code == 200
        wait_until(lambda: read_release(release).canary is None)
    assert 4 <= statuses.count(500) <= 15
    assert set(statuses) == {200, 500}
    assert "whose requests failed belong to the canary" in read_release(release).ended


def _without_a_first_prediction(self: ReleaseFollower, version: Any) -> Any:
    return self._load(self.path.parent / "packages" / version.digest, version.tag)


def _crashing_for(canary: Any) -> Any:
    inner = PackagePredictor.predict_records

    def predict_records(self: PackagePredictor, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        if self.digest == canary.version.digest:
            raise ZeroDivisionError("division by zero")
        return inner(self, rows)

    return predict_records
