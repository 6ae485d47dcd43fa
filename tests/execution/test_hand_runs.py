"""Notebooks run by hand give the pipeline's numbers and change no tracked file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient
from ruamel.yaml import YAML
from waiting import PATIENCE, wait_until

from .two_stages import call, write_project

TOKEN = "by-hand"


@contextlib.contextmanager
def untouched(root: Path) -> Iterator[None]:
    """Check that the block changes no product, that the scratch copies equal the products, and that no stage is stale."""
    before = {path: path.read_bytes() for path in (root / "products").iterdir()}
    lock = locked(root)
    for path in (root / ".nbship/scratch").rglob("*.json"):
        path.unlink()
    yield
    assert {path: path.read_bytes() for path in (root / "products").iterdir()} == before
    for name in ("metrics.json", "values.json"):
        assert (root / ".nbship/scratch/fit" / name).read_bytes() == before[root / "products" / name]
    done = call(root, "nbship", "run")
    assert done.stdout.splitlines()[-1].startswith("2 up to date"), done.stdout + done.stderr
    assert locked(root) == lock


def locked(root: Path) -> dict[str, Any]:
    """Return the entries of the notebook stages in dvc.lock."""
    stages = YAML(typ="safe").load((root / "dvc.lock").read_text())["stages"]
    return {name: stages[name] for name in ("load", "fit")}


def test_jupyter_execute(project: Path):
    with untouched(project):
        done = call(project, "jupyter", "execute", "--inplace", "notebooks/20_fit.ipynb")
        assert done.returncode == 0, done.stderr
    saved = json.loads((project / "notebooks/20_fit.ipynb").read_text())
    assert saved["cells"][2]["outputs"][0]["text"][0].startswith("hand ")


def test_a_stage_without_its_upstream_products_is_an_error(tmp_path: Path):
    root = write_project(tmp_path)
    done = call(root, "jupyter", "execute", "notebooks/20_fit.ipynb")
    assert "'../products/data.json' is not there. Run `nbship run load` first." in done.stderr


@pytest.mark.parametrize("extension", [True, False], ids=["with-ploomber", "without-ploomber"])
def test_jupyter_lab(project: Path, tmp_path: Path, extension: bool):
    with untouched(project), lab(project, tmp_path, extension=extension) as server:
        model = server.request("GET", "contents/notebooks/20_fit.ipynb")
        tags = [cell["metadata"].get("tags", []) for cell in model["content"]["cells"]]
        assert (["injected-parameters"] in tags) is extension
        printed = server.run_all("notebooks/20_fit.ipynb", model["content"]["cells"])
        assert printed.startswith("hand ")
        server.request("PUT", "contents/notebooks/20_fit.ipynb", {"type": "notebook", "content": model["content"]})


class Server:
    def __init__(self, address: str, runtime: Path) -> None:
        self.address, self.runtime = address, runtime

    def request(self, method: str, what: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"{self.address}/api/{what}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read() or b"null")

    def responds(self) -> bool:
        try:
            self.request("GET", "status")
        except OSError:
            return False
        return True

    def run_all(self, path: str, cells: list[dict[str, Any]]) -> str:
        session = self.request(
            "POST", "sessions", {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        )
        client = BlockingKernelClient(connection_file=str(self.runtime / f"kernel-{session['kernel']['id']}.json"))
        client.load_connection_file()
        client.start_channels()
        printed: list[str] = []

        def add(message: dict[str, Any]) -> None:
            printed.extend(message["content"].get("text", "").splitlines())
            printed.extend(message["content"].get("traceback", []))

        try:
            client.wait_for_ready(timeout=PATIENCE)
            for cell in cells:
                if cell["cell_type"] == "code":
                    reply = client.execute_interactive(cell["source"], timeout=PATIENCE, output_hook=add)
                    assert reply["content"]["status"] == "ok", "\n".join(printed)
        finally:
            client.stop_channels()
            client.context.term()
        return "\n".join(printed)


@contextlib.contextmanager
def lab(project: Path, folder: Path, *, extension: bool) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "jupyter_server_config.json"
    config.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"ploomber": extension}}}))
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        f"--IdentityProvider.token={TOKEN}",
        f"--config={config}",
    ]
    runtime = folder / "runtime"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "nbship"), "lab", *options],
            cwd=project / "notebooks",
            env={**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime)},
            stdout=log,
            stderr=log,
        )
    try:
        server = Server(f"http://127.0.0.1:{port}", runtime)
        wait_until(lambda: process.poll() is not None or server.responds())
        assert process.poll() is None, (folder / "log").read_text()
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
