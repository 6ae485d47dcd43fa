"""Warm kernels, used through Jupyter's own clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client import KernelManager
from waiting import PATIENCE, is_running, wait_until

from nbship.execution.kernels.servers import shared_fork_server
from nbship.execution.lab import write_jupyter_files
from nbship.project import load

# Jupyter's channels leave their sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


class Kernel:
    """A kernel of the project's kernelspec, and its client."""

    def __init__(self, **options: Any) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(**options)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, code: str) -> str:
        """Run code, and return its printed text, or the name of the error it raised."""
        printed: list[str] = []

        def add(message: dict[str, Any]) -> None:
            printed.append(message["content"].get("text", ""))

        reply = self.client.execute_interactive(code, timeout=PATIENCE, output_hook=add)["content"]
        return "".join(printed).strip() if reply["status"] == "ok" else reply["ename"]

    def close(self) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.context.destroy(linger=0)


@pytest.fixture
def kernelspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    folder = write_jupyter_files(load(tmp_path))
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    spec: dict[str, Any] = json.loads((folder / "kernels/python3/kernel.json").read_text())
    return spec


@pytest.fixture
def start(kernelspec: dict[str, Any]) -> Iterator[Callable[..., Kernel]]:
    kernels: list[Kernel] = []

    def start(**options: Any) -> Kernel:
        kernels.append(Kernel(**options))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.close()


def test_a_kernelspec_of_this_python_is_recognised(kernelspec: dict[str, Any]):
    assert kernelspec["argv"] == [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert kernelspec["metadata"]["kernel_provisioner"] == {"provisioner_name": "nbship"}
    assert (kernelspec["display_name"], kernelspec["language"]) == ("Python 3 (ipykernel)", "python")


def test_a_kernel_is_a_fork_with_its_own_folder_environment_and_arguments(
    start: Callable[..., Kernel], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    kernel = start(cwd=str(tmp_path), env={**os.environ, "OWN": "yes"})
    code = "import os, sys; print(os.getppid(), os.getcwd(), os.environ['OWN'], *sys.argv[1:], __name__)"
    parent, *rest = kernel.run(code).split()
    assert "nbship.execution.kernels.forkserver" in psutil.Process(int(parent)).cmdline()
    assert rest == [str(tmp_path), "yes", "-f", kernel.manager.connection_file, "__main__"]
    assert kernel.run("import IPython\nprint(IPython.get_ipython().kernel.shell is get_ipython())") == "True"
    kernel.run("os.write(1, b'')\nimport subprocess\nsubprocess.run(['true'])")
    assert "ordinary process" not in capfd.readouterr().err


def test_kernels_share_only_the_fork_server(start: Callable[..., Kernel]):
    first, second = start(), start()
    assert first.run("import os; print(os.getppid())") == second.run("import os; print(os.getppid())")
    first.run("import json, random\njson.mark = x = 1")
    assert second.run("import json\nprint(hasattr(json, 'mark'), 'x' in globals())") == "False False"
    drawn = {kernel.run("import random; print(random.random())") for kernel in (first, second)}
    assert len(drawn) == 2


def test_restart_gives_a_new_process(start: Callable[..., Kernel]):
    kernel = start()
    before = int(kernel.run("import os; x = 1; print(os.getpid())"))
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=PATIENCE)
    assert int(kernel.run("import os; print(os.getpid())")) != before
    assert kernel.run("print(x)") == "NameError"
    wait_until(lambda: not is_running(before))
    assert not is_running(before)


def test_an_interrupt_ends_the_cell_and_its_child_processes_but_not_the_kernel(start: Callable[..., Kernel]):
    kernel = start()
    code = "import time, subprocess\nprint('begun', flush=True)\nsubprocess.run(['sleep', '1000'])"
    kernel.client.execute(code, stop_on_error=False)
    while kernel.client.get_iopub_msg(timeout=PATIENCE)["content"].get("text") != "begun\n":
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.client.get_shell_msg(timeout=PATIENCE)["content"]["ename"] == "KeyboardInterrupt"
    assert kernel.run("print('on')") == "on"


@pytest.mark.parametrize("now", [True, False], ids=["now", "politely"])
def test_shutdown_leaves_no_process(start: Callable[..., Kernel], now: bool):
    kernel = start()
    started = kernel.run("import os, subprocess\nprint(os.getpid(), subprocess.Popen(['sleep', '1000']).pid)").split()
    kernel.manager.shutdown_kernel(now=now)
    wait_until(lambda: not any(is_running(int(pid)) for pid in started))
    assert not kernel.manager.has_kernel


def test_a_kernel_that_shuts_down_runs_pythons_exit_functions(start: Callable[..., Kernel], tmp_path: Path):
    kernel = start()
    kernel.run(f"import atexit\natexit.register(lambda: open({str(tmp_path / 'ended')!r}, 'w'));")
    kernel.manager.shutdown_kernel()
    assert (tmp_path / "ended").exists()


def test_a_dead_kernel_is_detected(start: Callable[..., Kernel]):
    kernel = start()
    kernel.client.execute("import os\nos.kill(os.getpid(), 9)")
    wait_until(lambda: not kernel.manager.is_alive())
    assert kernel.manager.provisioner.process.poll() == -signal.SIGKILL


def test_a_killed_fork_server_is_replaced(start: Callable[..., Kernel]):
    parent = int(start().run("import os; print(os.getppid())"))
    os.kill(parent, signal.SIGKILL)
    wait_until(lambda: not is_running(parent))
    assert int(start().run("import os; print(os.getppid())")) not in (parent, os.getpid())


CLIENT = """
import sys, time
from jupyter_client import KernelManager
manager = KernelManager(kernel_name="python3")
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready()
client.execute_interactive("import os; print(os.getpid(), os.getppid())")
sys.stdout.flush()
time.sleep(1000)
"""


def test_kernel_and_fork_server_end_with_their_client(kernelspec: dict[str, Any]):
    with subprocess.Popen([sys.executable, "-c", CLIENT], stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        pids = [int(pid) for pid in client.stdout.readline().split()]
        client.kill()
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_running, pids)))
    assert not any(map(is_running, pids))


FORKING_CLIENT = """
import os, sys
import nbformat
from nbclient import NotebookClient

def run():
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os; print('in', os.getppid())")])
    NotebookClient(node, kernel_name="python3", timeout=60).execute()
    return node.cells[0].outputs[0].text

server = run()
for worker in range(2):
    if not os.fork():
        sys.exit(run() == server)   # a worker has a fork server of its own, and leaves that of its parent alone
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
assert run() == server
"""


def test_a_client_that_forks_workers_gets_kernels_in_each(kernelspec: dict[str, Any]):
    done = subprocess.run(
        [sys.executable, "-c", FORKING_CLIENT], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ordinary process" not in done.stderr


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"env": {**os.environ, "PYTHONPATH": "/nowhere"}}, "PYTHONPATH differs from this process"),
        ({"stdout": subprocess.PIPE}, "forks do not support output through a pipe"),
        ({"close_fds": True}, "a fork does not support the option 'close_fds'"),
    ],
    ids=["environment", "pipe", "option"],
)
def test_a_kernel_that_cannot_be_forked_is_started_with_a_logged_reason(
    start: Callable[..., Kernel], caplog: pytest.LogCaptureFixture, change: dict[str, Any], reason: str
):
    kernel = start(**change)
    assert kernel.run("import os; print(os.getppid())") == str(os.getpid())
    assert f"The kernel starts as an ordinary process: {reason}" in caplog.text


def test_without_fork_kernels_are_ordinary_processes(start: Callable[..., Kernel], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nbship.execution.kernels.provisioner.shared_fork_server", lambda _: None)
    assert start().run("import os; print(os.getppid())") == str(os.getpid())


def test_a_process_has_one_fork_server():
    assert shared_fork_server(os.environ) is shared_fork_server(os.environ)
