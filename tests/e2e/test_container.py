"""The files of `nbship package container`, installed and run like the image: no root, no home, read-only except the volume."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from services import postgres_url
from signers import write_key
from waiting import PATIENCE

from nbship.cli.package import command
from nbship.errors import LogError
from nbship.model.build.container import write_context
from nbship.model.package import check_signer, sign_package
from nbship.prediction_log import open_log
from nbship.prediction_log.disks import check_disk
from nbship.predictor import read_package

NOBODY = 65_534
RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
# A mount namespace: the volume is writable, all else is not, and no home of root's is seen.
RUN = """
set -e
mount --bind "$VOLUME" "$VOLUME"
mkdir -p "$BASE/python" && mount --bind "$PREFIX" "$BASE/python"
mount -t tmpfs -o mode=755 none /root && mkdir -p "$PREFIX" && mount --bind "$BASE/python" "$PREFIX"
mount -o remount,ro /root
mount -o remount,ro,bind /
exec setpriv --reuid 65534 --regid 65534 --clear-groups env -i "$@"
"""
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="Only root can make a root that is read-only"
)


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A folder on the machine's disk that every user may enter."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def context(base: Path, small_package: Path) -> Path:
    done = CliRunner().invoke(
        command, ["container", str(small_package), "--to", str(base / "context"), "--json"], catch_exceptions=False
    )  # fmt: skip
    assert json.loads(done.stdout)["container"] == str(base / "context")
    return base / "context"


@pytest.fixture(scope="module")
def installed(base: Path, context: Path) -> Path:
    """The environment that the Dockerfile creates."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, base / "venv"], check=True)
    (wheel,) = context.glob("*.whl")
    install = [uv, "pip", "install", "-q", "--python", base / "venv/bin/python", "--no-deps", "--link-mode", "copy"]
    subprocess.run([*install, "-r", context / "requirements.txt", wheel], check=True)
    return base / "venv"


@contextmanager
def contained(
    installed: Path, context: Path, base: Path, *, state: Path, **environ: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the image's command under the image's restrictions; yield its address, empty if it does not start."""
    volume = base / "volume"
    volume.mkdir(exist_ok=True)
    os.chown(volume, NOBODY, NOBODY)
    given = {
        "PATH": f"{installed}/bin", "NBSHIP_CONTAINER": "1", "NBSHIP_STATE": str(state), "NBSHIP_SERVING__HOST": "0.0.0.0",
        "NBSHIP_SERVING__AUTH": "none", "PYTHONUNBUFFERED": "1", **environ,
    }  # fmt: skip
    words = [f"{name}={value}" for name, value in given.items() if value]
    words += [str(installed / "bin/nbship"), "serve", str(context / "package"), "--port", "0"]
    outside = {"PATH": os.environ["PATH"], "VOLUME": str(volume), "BASE": str(base), "PREFIX": sys.base_prefix}
    server = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", RUN, "sh", *words], env=outside, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    told, url = [], ""
    for line in server.stdout:
        told.append(line)
        if found := re.search(r"^Serving .* at http://0\.0\.0\.0:(\d+)", line):
            url = f"http://127.0.0.1:{found[1]}"
            break
    drain = threading.Thread(target=server.stdout.read)
    if url:
        drain.start()
    server.told = "".join(told)  # type: ignore[attr-defined]
    try:
        yield url, server
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)
        if url:
            drain.join()
        server.stdout.close()


def test_the_context_has_no_build_tools_and_no_root(context: Path) -> None:
    dockerfile = (context / "Dockerfile").read_text()
    for line in ("USER 10001:10001", "VOLUME /state", "HEALTHCHECK", "NBSHIP_CONTAINER=1"):
        assert line in dockerfile
    assert "read_only: true" in (context / "compose.yaml").read_text()
    names = {line.partition("==")[0] for line in (context / "requirements.txt").read_text().splitlines()}
    assert {"numpy", "uvicorn", "uvloop"} <= names
    assert not names & {"dvc", "ploomber", "streamlit", "papermill", "jupyterlab", "scikit-learn", "skops", "duckdb"}
    assert all("==" in line for line in (context / "requirements.txt").read_text().splitlines())


def test_the_context_is_reproducible_and_replaces_only_its_own_files(
    small_package: Path, base: Path, context: Path
) -> None:
    again = base / "again"
    for _ in range(2):
        CliRunner().invoke(
            command,
            ["container", str(small_package), "--to", str(again)],
            catch_exceptions=False,
        )
    files = {path.relative_to(context): path.read_bytes() for path in context.rglob("*") if path.is_file()}
    assert {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()} == files
    with pytest.raises(Exception, match="is not a build context"):
        CliRunner().invoke(
            command,
            ["container", str(small_package), "--to", str(small_package)],
            catch_exceptions=False,
        )


def test_a_signature_and_what_checks_it_are_in_the_context(small_package: Path, tmp_path: Path) -> None:
    package = tmp_path / "small"
    shutil.copytree(small_package, package)
    sign_package(package, write_key(tmp_path, "maker"))
    write_context(package, tmp_path / "context", name="small")
    assert "COPY package.sig /srv/model.sig" in (tmp_path / "context/Dockerfile").read_text()
    assert "cryptography==" in (tmp_path / "context/requirements.txt").read_text()
    manifest = read_package(tmp_path / "context/package")[0]
    assert check_signer(tmp_path / "context/package", manifest, signers=[tmp_path / "maker.pub"])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_serves_without_root_or_home_and_writes_only_to_the_volume(
    installed: Path, context: Path, base: Path, workers: str
) -> None:
    with contained(installed, context, base, state=base / "volume", NBSHIP_SERVING__WORKERS=workers) as (url, server):
        assert url, server.told  # type: ignore[attr-defined]
        answer = httpx.post(f"{url}/predict", json=RECORD)
        assert answer.status_code == 200
        assert httpx.get(f"{url}/metrics").status_code == 200
        owners = {path.stat().st_uid for path in (base / "volume").iterdir()}
    assert owners == {NOBODY}
    assert server.returncode == 0
    with open_log(base / "volume" / "predictions.sqlite") as log:
        assert log.find(answer.json()["id"]).outputs


def test_a_log_inside_the_container_is_rejected(installed: Path, context: Path, base: Path) -> None:
    with contained(installed, context, base, state=base / "elsewhere") as (url, server):
        assert not url
        assert server.wait(PATIENCE) == 1
        assert "Mount a volume at" in server.told  # type: ignore[attr-defined]
        assert "Traceback" not in server.told  # type: ignore[attr-defined]


def test_beyond_loopback_it_requires_authentication(installed: Path, context: Path, base: Path) -> None:
    with contained(installed, context, base, state=base / "volume", NBSHIP_SERVING__AUTH="") as (url, server):
        assert not url
        assert "'serving.auth' is not set" in server.told  # type: ignore[attr-defined]


def test_with_postgres_it_needs_the_volume_only_for_the_spool(installed: Path, context: Path, base: Path) -> None:
    with postgres_url() as log:
        given = {"NBSHIP_LOG__URL": log, "NBSHIP_LOG__WHEN_DOWN": "spool"}
        with contained(installed, context, base, state=base / "volume", **given) as (url, server):
            assert url, server.told  # type: ignore[attr-defined]
            answer = httpx.post(f"{url}/predict", json=RECORD).json()
        with open_log(log) as opened:
            assert opened.find(answer["id"]).mode == "rest"
        with contained(installed, context, base, state=base / "elsewhere", NBSHIP_LOG__URL=log) as (url, server):
            assert url, server.told  # type: ignore[attr-defined]
            assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200


MOUNTS = """22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /mnt/share rw - nfs4 server:/share rw
31 22 0:26 / /state rw - ext4 /dev/vdb rw
32 22 0:27 / /mnt/my\\040disk rw - cifs //server/disk rw
"""


@pytest.mark.parametrize(
    ("path", "container", "reason"),
    [
        ("/mnt/share/a/log.sqlite", False, "network disk (nfs4)"), ("/mnt/my disk/log.sqlite", False, "network disk (cifs)"),
        ("/state/log.sqlite", True, None), ("/data/log.sqlite", False, None), ("/data/log.sqlite", True, "Mount a volume at '/data'"),
        ("/mnt/shared/log.sqlite", False, None),
    ],
)  # fmt: skip
def test_disks(tmp_path: Path, path: str, container: bool, reason: str | None) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    environ = {"NBSHIP_CONTAINER": "1"} if container else {}
    if reason is None:
        check_disk(Path(path), mounts=tmp_path / "mounts", environ=environ)
    else:
        with pytest.raises(LogError, match=re.escape(reason)):
            check_disk(Path(path), mounts=tmp_path / "mounts", environ=environ)
