"""Acknowledged predictions survive a power loss, which leaves only data synced with fsync on the disk."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from rest_server import RECORD
from servers import serving
from waiting import in_time, wait_until

from nbship.prediction_log import open_log

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="The shim that records synced files is compiled with gcc"),
]
# After each fsync, the shim copies the file to a separate folder: the disk after a power loss.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void copy_synced(int fd) {
    char link[64], path[PATH_MAX], synced[PATH_MAX + 16], temporary[PATH_MAX + 32], part[65536];
    const char *folder = getenv("SYNCED");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!folder || length < 0) return;
    path[length] = 0;
    if (!strstr(path, "predictions.sqlite")) return;
    snprintf(synced, sizeof synced, "%s/%s", folder, strrchr(path, '/') + 1);
    snprintf(temporary, sizeof temporary, "%s.temporary", synced);
    int in = open(path, O_RDONLY), out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t got;
    while ((got = read(in, part, sizeof part)) > 0) if (write(out, part, got) < 0) break;
    close(in);
    close(out);
    rename(temporary, synced);
}

#define WRAP(name) \
    int name(int fd) { \
        int (*real)(int) = dlsym(RTLD_NEXT, #name); \
        int done = real(fd); \
        if (!done) copy_synced(fd); \
        return done; \
    }
WRAP(fsync)
WRAP(fdatasync)

/* A journalling file system orders deletions before later fsyncs. */
int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    char synced[PATH_MAX + 16];
    const char *folder = getenv("SYNCED"), *name = strrchr(path, '/');
    int done = real(path);
    if (!done && folder && name && strstr(path, "predictions.sqlite")) {
        snprintf(synced, sizeof synced, "%s%s", folder, name);
        real(synced);
    }
    return done;
}
"""
CARELESS = """
from nbship.prediction_log.sqlite import database as sqlite
connect = sqlite._connect
def careless(path):
    connection = connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    return connection
sqlite._connect = careless
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True)
    return folder / "shim.so"


def lost(package: Path, folder: Path, shim: Path, *, times: int, script: str = "") -> tuple[int, int]:
    """Cut the power `times` times; return the number of acknowledged responses, and how many of them are not in the log."""
    acknowledged: list[str] = []
    state, synced = folder / "state", folder / "synced"
    state.mkdir(parents=True)
    synced.mkdir()
    environ = {"LD_PRELOAD": str(shim), "SYNCED": str(synced)}
    for round_number in range(times):
        with ExitStack() as stack:
            with in_time():
                url, server = stack.enter_context(serving(package, folder, environ=environ, script=script))
                httpx.get(f"{url}/v2/health/ready").raise_for_status()
            clients = [threading.Thread(target=send_requests, args=(url, acknowledged)) for _ in range(4)]
            for client in clients:
                client.start()
            enough = len(acknowledged) + 15
            wait_until(lambda enough=enough: len(acknowledged) >= enough)
            time.sleep(0.1 + 0.03 * (round_number % 9))
            server.send_signal(signal.SIGKILL)
            server.wait()
            for client in clients:
                client.join()
        # The power returns: unsynced data are lost.
        shutil.rmtree(state)
        state.mkdir()
        for path in synced.iterdir():
            if not path.name.endswith((".temporary", "-shm")):
                shutil.copy(path, state / path.name)
    assert len(set(acknowledged)) == len(acknowledged)
    with open_log(state / "predictions.sqlite") as log:
        known = log.known(acknowledged)
    return len(acknowledged), len(acknowledged) - len(known)


def send_requests(url: str, ids: list[str]) -> None:
    with httpx.Client(base_url=url) as client:
        while True:
            try:
                response = client.post("/predict", json=RECORD)
            except httpx.TransportError:
                return
            if response.status_code == 200:
                ids.append(response.json()["id"])


def test_no_acknowledged_response_is_lost_at_a_power_loss(
    small_package: Path, tmp_path: Path, shim: Path, full: bool
) -> None:
    count, gone = lost(small_package, tmp_path, shim, times=50 if full else 3)
    assert count > 20
    assert gone == 0


@pytest.mark.long
def test_a_log_that_does_not_wait_for_the_disk_would_be_caught(small_package: Path, tmp_path: Path, shim: Path) -> None:
    count, gone = lost(small_package, tmp_path, shim, times=2, script=CARELESS)
    assert count > 20
    assert gone > 0


def test_a_full_disk_is_reported_and_no_response_is_sent_unlogged(small_package: Path, tmp_path: Path) -> None:
    with serving(small_package, tmp_path) as (url, server), httpx.Client(base_url=url) as client:
        assert client.post("/predict", json=RECORD).status_code == 200
        wal = tmp_path / "state" / "predictions.sqlite-wal"
        # A limit on the file's size simulates a full disk.
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (wal.stat().st_size, resource.RLIM_INFINITY))
        responses = [client.post("/predict", json=RECORD) for _ in range(20)]
        assert {response.status_code for response in responses} == {503}
        assert {response.json()["error"]["code"] for response in responses} == {"log_unavailable"}
        wait_until(lambda: client.get("/v2/health/ready").status_code == 503)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        recovered = client.post("/predict", json=RECORD)
        assert recovered.status_code == 200
        wait_until(lambda: client.get("/v2/health/ready").status_code == 200)
    with open_log(tmp_path / "state" / "predictions.sqlite") as log:
        assert len(log.recent(100)) == 2
        assert log.find(recovered.json()["id"]).outputs
