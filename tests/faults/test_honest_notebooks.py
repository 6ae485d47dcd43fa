"""A kernel that dies, hangs, floods or runs out of memory is marked in its cell within a minute; earlier outputs stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from waiting import in_time, is_running, wait_until

from nbship.execution.kernels import outputs as outputs_module
from nbship.execution.kernels.client import ForkServer
from nbship.execution.kernels.execution import Callbacks, Executed, Limits
from nbship.execution.kernels.executor import execute
from nbship.notebook import PINNED

Execute = Callable[..., Executed]


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer.start(["numpy"], env={**os.environ, **PINNED}) as fork_server:
        yield fork_server


def notebook(*sources: str) -> dict[str, Any]:
    cells = [nbformat.v4.new_code_cell(source, id=f"c{number}") for number, source in enumerate(sources)]
    return json.loads(json.dumps(nbformat.v4.new_notebook(cells=cells)))


def run(fork_server: ForkServer, *sources: str, **options: Any) -> Executed:
    return execute(notebook(*sources), cwd=Path.cwd(), env={**os.environ, **PINNED}, fork_server=fork_server, **options)


def printed_text(cell: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def assert_honest(cells: list[dict[str, Any]], *, ename: str) -> None:
    """Check that the first cell has its outputs, the second ends with an error, and the third did not run."""
    assert printed_text(cells[0]) == "before\n"
    assert printed_text(cells[1]).startswith("begun\n")
    assert cells[1]["outputs"][-1]["output_type"] == "error"
    assert cells[1]["outputs"][-1]["ename"] == ename
    assert cells[2]["outputs"] == []


KILLED = (
    "print('before')",
    "import os, time\nprint('begun', flush=True)\ntime.sleep({})\nos.kill(os.getpid(), 9)",
    "print('after')",
)


def test_a_killed_kernel_is_marked_in_its_cell(fork_server: ForkServer, full: bool) -> None:
    for number in range(50 if full else 5):
        sources = [source.format(number % 7 / 50) for source in KILLED]
        with in_time():
            done = run(fork_server, *sources)
        assert (done.failure.kind, done.failure.cell) == ("died", 1)
        assert "SIGKILL" in done.failure.evalue
        assert_honest(done.notebook["cells"], ename="DeadKernelError")


@pytest.mark.long
def test_an_engine_that_ignores_dead_kernels_would_be_caught(tmp_path: Path) -> None:
    """papermill's own engine leaves no error in the cell whose kernel died."""
    source, target = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    source.write_text(json.dumps(notebook(*(each.format(0) for each in KILLED))))
    command = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar", str(source), str(target)]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    with pytest.raises(AssertionError):
        assert_honest(json.loads(target.read_text())["cells"], ename="DeadKernelError")


def test_a_kernel_that_hangs_and_ignores_interrupts_is_stopped_at_its_limit(
    fork_server: ForkServer, full: bool
) -> None:
    hang = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('begun', flush=True)\nwhile True: time.sleep(1)"
    for _ in range(20 if full else 2):
        with in_time():
            done = run(fork_server, "print('before')", hang, "print('after')", limits=Limits(cell=0.5))
        assert done.failure.kind == "timeout"
        assert_honest(done.notebook["cells"], ename="TimeoutError")


def test_a_cell_that_times_out_has_a_traceback(fork_server: ForkServer) -> None:
    done = run(
        fork_server, "print('before')", "import time\nprint('begun')\ntime.sleep(100)", "", limits=Limits(stage=1)
    )
    assert done.failure.evalue == "The notebook took longer than 1 s and was stopped."
    assert "time.sleep" in "".join(done.notebook["cells"][1]["outputs"][-1]["traceback"])


def test_a_notebook_beyond_its_memory_fails_in_its_cell(fork_server: ForkServer, full: bool) -> None:
    growing = "import numpy\nprint('begun')\nheld = []\nwhile True: held.append(numpy.ones(10_000_000))"
    for _ in range(20 if full else 2):
        with in_time():
            done = run(fork_server, "print('before')", growing, "print('after')", limits=Limits(memory=500_000_000))
        assert done.failure.kind == "memory"
        assert_honest(done.notebook["cells"], ename=done.failure.ename)


def test_child_processes_end_with_a_killed_notebook(fork_server: ForkServer) -> None:
    started = "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\nprint(child.pid)"
    done = run(fork_server, started, "import os\nos.kill(os.getpid(), 9)")
    assert done.failure.kind == "died"
    pid = int(printed_text(done.notebook["cells"][0]))
    wait_until(lambda: not is_running(pid))
    assert not is_running(pid)


FLOODS = {
    "a million lines": "for number in range(1_000_000): print(number)",
    "one string of 200 MB": "print('first'); print('x' * 200_000_000); print('last')",
    "a child process": "import os\nos.system('yes | head -c 200000000')",
    "a hundred thousand displays": "from IPython.display import display\nfor number in range(100_000): display(number)",
    "one display of 200 MB": "from IPython.display import HTML, display\ndisplay(HTML('x' * 200_000_000))",
    "an Output widget": "import ipywidgets\nwith ipywidgets.Output(): print('x' * 20_000_000)",
    "an exception of 200 MB": "raise ValueError('x' * 200_000_000)",
}


class Memory:
    """The growth of this process's peak memory while a block runs, in bytes."""

    def __enter__(self) -> Memory:
        self._before = self.most = psutil.Process().memory_info().rss
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self.most = max(self.most, psutil.Process().memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.grown = self.most - self._before


def assert_bounded(fork_server: ForkServer, source: str) -> Executed:
    with Memory() as memory:
        done = run(fork_server, source, "print('after')")
    assert memory.grown < 200_000_000
    assert len(json.dumps(done.notebook)) < 5_000_000
    return done


def test_excessive_output_is_truncated_in_the_middle_with_a_note(fork_server: ForkServer, full: bool) -> None:
    slow = () if full else ("a million lines", "a hundred thousand displays")
    for name in FLOODS.keys() - set(slow):
        done = assert_bounded(fork_server, FLOODS[name])
        flooded, after = done.notebook["cells"]
        assert "[nbship cut" in json.dumps([flooded, done.notebook["metadata"]]), name
        assert printed_text(after) == ("" if done.failure else "after\n"), name
        if name == "a million lines":
            assert printed_text(flooded).startswith("0\n1\n2\n")
            assert printed_text(flooded).endswith("999998\n999999\n")
        if name == "one string of 200 MB":
            assert printed_text(flooded).startswith("first\n")
            assert printed_text(flooded).endswith("\nlast\n")


def test_without_limits_that_check_fails(fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs_module, "_TEXT_PER_CELL", 10**12)
    monkeypatch.setattr(outputs_module, "_TEXT_TOTAL", 10**12)
    with pytest.raises(AssertionError):
        assert_bounded(fork_server, "print('x' * 20_000_000)")


def test_excessive_output_in_every_cell_stays_within_the_limit_of_the_notebook(fork_server: ForkServer) -> None:
    done = run(fork_server, *["print('x' * 3_000_000)"] * 12)
    assert done.failure is None
    assert len(json.dumps(done.notebook)) < 5_000_000
    assert all("[nbship cut" in printed_text(cell) for cell in done.notebook["cells"])


def test_a_thousand_notebooks_leave_nothing_behind(fork_server: ForkServer, full: bool) -> None:
    """One fork server: no growth of its memory, its descriptors, or the number of processes."""
    work = "import threading, subprocess\nsubprocess.run(['true'])\nprint(sum(range(1000)))"
    address = fork_server.address
    server = next(process for process in psutil.process_iter(["pid"]) if process.pid == fork_server.pid)

    def measure() -> tuple[int, int, int]:
        wait_until(lambda: len(server.children(recursive=True)) == 2)  # the fork for the next notebook, and the guard
        return server.memory_info().rss, server.num_fds(), psutil.Process().num_fds()

    for _ in range(10):
        assert run(fork_server, work).failure is None
    before = measure()
    for _ in range(1_000 if full else 50):
        assert run(fork_server, work).failure is None
    after = measure()
    assert fork_server.address == address
    assert after[0] - before[0] < 1_000_000
    assert after[1:] == before[1:]


def test_text_and_displays_are_in_order(fork_server: ForkServer) -> None:
    """Even if a child process, a library and Python print in turn."""
    source = (
        "import os, subprocess\nfrom IPython.display import display\n"
        "for number in range(20):\n"
        "    print('python', number)\n    os.write(1, b'library\\n')\n    subprocess.run(['echo', 'child'])\n    display(number)"
    )
    for _ in range(3):
        done = run(fork_server, source)
        kinds = [output["output_type"] for output in done.notebook["cells"][0]["outputs"]]
        assert kinds == ["stream", "display_data"] * 20
        printed_texts = [printed_text({"outputs": [output]}) for output in done.notebook["cells"][0]["outputs"][::2]]
        assert printed_texts == [f"python {number}\nlibrary\nchild\n" for number in range(20)]


def test_output_is_reported_as_it_arrives(fork_server: ForkServer) -> None:
    printed: list[tuple[str, str]] = []
    ended: list[int] = []
    callbacks = Callbacks(
        printed=lambda *text: printed.append(text), cell_ended=lambda index, cell: ended.append(index)
    )
    run(fork_server, "print('one')", "import sys\nprint('two', file=sys.stderr)", callbacks=callbacks)
    assert ("stdout", "one\n") in printed
    assert ("stderr", "two\n") in printed
    assert ended == [0, 1]
