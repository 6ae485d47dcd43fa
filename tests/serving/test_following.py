"""Running services follow a release file: no request fails, and each answer is of one version."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from packages import build_small
from servers import running, serving
from waiting import PATIENCE, wait_until

from nbship import predictor
from nbship.errors import ServingError
from nbship.inference import Logged, ReleaseFollower, find_deployment, publish_release
from nbship.prediction_log import open_log
from nbship.serving import Service

RECORDS = [{"at": f"2024-03-{day:02}T08:00:00-05:00", "line": line, "size": day % 9 + 1, "weight": 9.5} for line in "ab" for day in range(1, 20)]  # fmt: skip
Served = Callable[..., AbstractContextManager[tuple[str, subprocess.Popen[str]]]]


@pytest.fixture(scope="module")
def small_other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, trained on other rows: other outputs."""
    return build_small(tmp_path_factory.mktemp("other"), seed=7)


@pytest.fixture
def release(tmp_path: Path, small_package: Path) -> Path:
    path = tmp_path / "releases" / "small.json"
    publish_release(path, small_package)
    return path


@pytest.fixture
def served(tmp_path: Path, release: Path) -> Served:
    """A service outside of any project: a folder with settings only."""
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "nbship.yaml").write_text("release: {file: ../releases/small.json}\n")
    return lambda *words: serving(None, folder, *words, environ={"NBSHIP_SERVING__REQUEST_LOG": "false"})


@contextmanager
def asking(url: str, *, rate: float = 100.0) -> Iterator[list[tuple[int, Any, str]]]:
    """Ask for a prediction at a rate, on three connections; yield what is answered: index, body, header."""
    found: list[tuple[int, Any, str]] = []
    ended = threading.Event()

    def ask(offset: int) -> None:
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            number = offset
            while not ended.wait(3 / rate):
                response = client.post("/predict", json=RECORDS[number % len(RECORDS)])
                found.append((number % len(RECORDS), response.json(), response.headers["x-model-version"]))
                number += 3

    threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        ended.set()
        for thread in threads:
            thread.join()


# A client of its own for each request would read the certificates of the system each time.
CLIENT = httpx.Client(timeout=PATIENCE, headers={"Connection": "close"})


@pytest.fixture(scope="module", autouse=True)
def closed_client() -> Iterator[None]:
    yield
    CLIENT.close()


def version_of(url: str) -> str:
    return str(CLIENT.get(f"{url}/version").json()["version"])


def check_swaps(served: Served, release: Path, packages: list[Path], *words: str, swaps: int) -> None:
    loaded = {one.version: one for one in map(predictor.load, packages)}
    expected = {version: one.predict_records(RECORDS).outputs for version, one in loaded.items()}
    with served(*words) as (url, _), asking(url) as found:
        for number in range(swaps):
            package = packages[(number + 1) % 2]
            publish_release(release, package)
            version = predictor.read_package(package)[0].version
            wait_until(lambda version=version: version_of(url) == version)
    assert len(found) > 50
    for number, body, header in found:
        version = body["version"]
        assert header == version
        assert {name: body[name] for name in ("label", "probability")} == expected[version][number]
    assert {body["version"] for _, body, _ in found} == set(loaded)


def test_a_swap_under_load_fails_no_request(served: Served, release: Path, small_package: Path, small_other: Path) -> None:  # fmt: skip
    check_swaps(served, release, [small_package, small_other], swaps=6)


@pytest.mark.long
@pytest.mark.parametrize("words", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_200_swaps_under_load_fail_no_request(served: Served, release: Path, small_package: Path, small_other: Path, words: tuple[str, ...]) -> None:  # fmt: skip
    check_swaps(served, release, [small_package, small_other], *words, swaps=200)


def test_workers_follow_and_new_ones_serve_the_latest(served: Served, release: Path, small_package: Path, small_other: Path) -> None:  # fmt: skip
    latest = predictor.read_package(small_other)[0].version

    def workers(server: subprocess.Popen[str]) -> list[psutil.Process]:
        children = psutil.Process(server.pid).children()
        alive = [each for each in children if each.status() != psutil.STATUS_ZOMBIE]
        return [each for each in alive if "spawn_main" in " ".join(each.cmdline())]

    with served("--workers", "2") as (url, server):
        publish_release(release, small_other)
        wait_until(lambda: {version_of(url) for _ in range(10)} == {latest})
        first, second = workers(server)
        first.kill()
        wait_until(lambda: len({each.pid for each in workers(server)} - {first.pid, second.pid}) == 1)
        second.kill()
        assert {version_of(url) for _ in range(5)} == {latest}


def test_a_canary_gets_its_share_of_the_keys(served: Served, release: Path, small_package: Path, small_other: Path) -> None:  # fmt: skip
    one, other = (predictor.read_package(each)[0].version for each in (small_package, small_other))
    with served() as (url, _):
        publish_release(release, canary=small_other, share=0.5)
        wait_until(lambda: f'version="{other}"' in CLIENT.get(f"{url}/metrics").text)
        answers = [CLIENT.post(f"{url}/predict", json=record).json()["version"] for record in RECORDS]
        assert set(answers) == {one, other}
        assert [CLIENT.post(f"{url}/predict", json=record).json()["version"] for record in RECORDS] == answers
        publish_release(release, small_other)
        wait_until(lambda: {CLIENT.post(f"{url}/predict", json=each).json()["version"] for each in RECORDS} == {other})


def test_predictions_stop_and_start_at_the_same_address(served: Served, release: Path) -> None:
    with served() as (url, _):
        publish_release(release, stopped="The prices of May are wrong.")
        wait_until(lambda: CLIENT.get(f"{url}/v2/health/ready").status_code == 503)
        refused = CLIENT.post(f"{url}/predict", json=RECORDS[0])
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "deactivated")
        assert refused.json()["error"]["message"] == "The model makes no predictions at present: The prices of May are wrong."  # fmt: skip
        assert CLIENT.get(f"{url}/v2/health/live").status_code == 200
        feedback = CLIENT.post(
            f"{url}/feedback", json={"key": {name: RECORDS[0][name] for name in ("at", "line")}, "label": 1}
        )
        assert feedback.status_code == 200
        publish_release(release, stopped="")
        wait_until(lambda: CLIENT.post(f"{url}/predict", json=RECORDS[0]).status_code == 200)


def test_a_release_that_cannot_be_read_changes_nothing(release: Path, small_other: Path, tmp_path: Path) -> None:
    follower = ReleaseFollower(release, lambda folder, _: predictor.load(folder))
    service = Service(
        lambda: Logged(follower.read(), open_log(tmp_path / "log.sqlite"), mode="rest"), follower=follower
    )
    with running(service) as client:
        before, good = client.get("/version").json(), release.read_bytes()
        for content in (b"", good.replace(b'"digest": "', b'"digest": "0'), b"\xff", None):
            if content is None:
                release.unlink()
            else:
                release.write_bytes(content)
            wait_until(lambda: not follower.changed())
            assert client.get("/version").json() == before
            assert client.post("/predict", json=RECORDS[0]).status_code == 200
        release.write_bytes(good)
        publish_release(release, small_other)
        latest = predictor.read_package(small_other)[0].version
        wait_until(lambda: client.get("/version").json()["version"] == latest)


def test_a_release_whose_own_code_fails_is_not_the_last_that_is_followed(release: Path, small_other: Path, tmp_path: Path) -> None:  # fmt: skip
    loads = []

    def load(folder: Path, _: str) -> predictor.PackagePredictor:
        loads.append(folder)
        if len(loads) == 2:
            raise ZeroDivisionError("division by zero")
        return predictor.load(folder)

    follower = ReleaseFollower(release, load)
    service = Service(
        lambda: Logged(follower.read(), open_log(tmp_path / "log.sqlite"), mode="rest"), follower=follower
    )
    with running(service) as client:
        before = client.get("/version").json()
        publish_release(release, small_other)
        wait_until(lambda: len(loads) == 2 and not follower.changed())
        assert client.get("/version").json() == before
        publish_release(release, small_other)
        latest = predictor.read_package(small_other)[0].version
        wait_until(lambda: client.get("/version").json()["version"] == latest)


def test_a_package_and_a_release_file_are_one_too_many(served: Served, tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path / "service")
    with pytest.raises(ServingError, match=r"Both the package '.*small' and the setting 'release\.file' say what to serve"):  # fmt: skip
        find_deployment(small_package).follower()
    monkeypatch.setenv("NBSHIP_RELEASE__FILE", "")
    assert find_deployment(small_package).follower() is None
