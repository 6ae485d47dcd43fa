from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from waiting import in_time, is_running, wait_until

from nbship.errors import DeadKernelError
from nbship.execution.kernels import executor as engine
from nbship.execution.kernels.client import ForkServer
from nbship.execution.kernels.execution import Callbacks, Limits
from nbship.execution.kernels.executor import execute
from nbship.notebook import PINNED

from ..notebooks import notebook, text


def run(tmp_path: Path, *sources: str, **options):
    return execute(notebook(*sources), cwd=tmp_path, env=dict(os.environ), **options)


def test_cells_share_a_kernel_of_this_interpreter_in_the_folder(tmp_path: Path):
    started = []
    done = run(
        tmp_path,
        "import sys, os",
        "print(sys.executable, os.getcwd())",
        callbacks=Callbacks(cell_started=lambda *numbers: started.append(numbers)),
    )
    assert done.failure is None
    assert text(done.notebook["cells"][1]) == f"{sys.executable} {tmp_path}\n"
    assert [cell["execution_count"] for cell in done.notebook["cells"]] == [1, 2]
    assert started == [(1, 2), (2, 2)]
    assert done.usage.wall > 0
    assert done.usage.peak > 10_000_000
    nbformat.validate(nbformat.from_dict(done.notebook))


def test_loaded_modules_are_reported_without_a_trace(tmp_path: Path):
    (tmp_path / "colours.py").write_text("RED = 1\n")
    done = run(tmp_path, "import colours\nopen = str = print = None")
    assert done.modules["colours"] == str(tmp_path / "colours.py")
    assert done.notebook["cells"][0]["outputs"] == []


def test_a_raising_cell_keeps_outputs_and_stops(tmp_path: Path):
    done = run(tmp_path, "print('first')", "print('then')\n1/0", "print('never')")
    assert (done.failure.kind, done.failure.cell, done.failure.ename) == ("error", 1, "ZeroDivisionError")
    first, second, third = done.notebook["cells"]
    assert text(first) == "first\n"
    assert [output["output_type"] for output in second["outputs"]] == ["stream", "error"]
    assert (third["outputs"], third["execution_count"]) == ([], None)


def test_an_expected_error_is_not_a_failure(tmp_path: Path):
    source = notebook("1/0", "print('on')")
    source["cells"][0]["metadata"] = {"tags": ["raises-exception"]}
    done = execute(source, cwd=tmp_path, env=dict(os.environ))
    assert done.failure is None
    assert text(done.notebook["cells"][1]) == "on\n"


@pytest.mark.parametrize(
    ("end", "reason"),
    [("os.kill(os.getpid(), 9)", "was killed by SIGKILL"), ("os._exit(7)", "ended with exit status 7")],
)
def test_a_dead_kernel_is_marked_in_its_cell(tmp_path: Path, end: str, reason: str):
    with in_time():
        done = run(tmp_path, "print('first')", f"import os, time\nprint('then', flush=True)\ntime.sleep(0.3)\n{end}")
    assert (done.failure.kind, done.failure.cell) == ("died", 1)
    first, second = done.notebook["cells"]
    assert text(first) == "first\n"
    assert text(second) == "then\n"
    assert second["outputs"][-1]["ename"] == "DeadKernelError"
    assert reason in second["outputs"][-1]["evalue"]


def test_a_cell_that_ignores_interrupts_is_stopped_in_time(tmp_path: Path):
    code = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(1000)"
    )
    with in_time():
        done = run(tmp_path, code, limits=Limits(cell=1))
    assert done.failure.kind == "timeout"
    cell = done.notebook["cells"][0]
    assert text(cell) == "here\n"
    assert "longer than 1 s" in cell["outputs"][-1]["evalue"]


def test_child_processes_end_with_their_kernel(tmp_path: Path):
    done = run(tmp_path, "import subprocess\nprint(subprocess.Popen(['sleep', '1000']).pid)")
    assert done.failure is None
    child = int(text(done.notebook["cells"][0]))
    wait_until(lambda: not is_running(child))
    assert not is_running(child)


def test_the_users_ipython_settings_do_not_reach_the_kernel(tmp_path: Path):
    startup = tmp_path / "home" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("surprise = 1\n")
    env = {**os.environ, "IPYTHONDIR": str(tmp_path / "home")}
    done = execute(notebook("'surprise' in globals()"), cwd=tmp_path, env=env)
    assert text(done.notebook["cells"][0]) == "False"


@pytest.fixture
def other_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel installed under another name, such as R's or another environment's."""
    folder = tmp_path / "jupyter" / "kernels" / "other"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Other", "language": "python", "env": {"KERNEL": "other"}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return "other"


def test_a_requested_kernel_is_used_with_a_notice(tmp_path: Path, other_kernel: str):
    source = notebook("import os\nprint(os.environ['KERNEL'])", "1/0")
    source["metadata"]["kernelspec"] = {"name": other_kernel, "display_name": "Other", "language": "python"}
    done = execute(source, cwd=tmp_path, env=dict(os.environ))
    assert text(done.notebook["cells"][0]) == "other\n"
    assert done.failure.ename == "ZeroDivisionError"
    assert "names the kernel 'other'. It ran in an ordinary process" in done.notice


def test_a_dead_ordinary_kernel_is_marked_in_its_cell(tmp_path: Path, other_kernel: str):
    source = notebook("print('first')", "import os\nos.kill(os.getpid(), 9)")
    done = execute(source, cwd=tmp_path, env=dict(os.environ), kernel=other_kernel)
    assert done.failure.kind == "died"
    assert "SIGKILL" in done.notebook["cells"][1]["outputs"][-1]["evalue"]


def test_a_missing_python_kernel_is_replaced_by_this_python(tmp_path: Path):
    source = notebook("import sys\nprint(sys.executable)")
    source["metadata"]["kernelspec"] = {"name": "conda-env-theirs-py", "display_name": "Theirs", "language": "python"}
    done = execute(source, cwd=tmp_path, env=dict(os.environ))
    assert text(done.notebook["cells"][0]) == f"{sys.executable}\n"
    assert "'conda-env-theirs-py', which is not installed. It ran with this Python" in done.notice


def test_a_kernel_that_fails_before_the_first_cell_says_why(tmp_path: Path):
    missing = tmp_path / "missing"
    reason = f"The kernel ended with exit status 70 before the first cell: FileNotFoundError: .*: '{missing}'"
    with pytest.raises(DeadKernelError, match=reason):
        execute(notebook("1"), cwd=missing, env=dict(os.environ))


def test_a_missing_kernel_of_another_language_is_an_error(tmp_path: Path):
    source = notebook("1 + 1")
    source["metadata"]["kernelspec"] = {"name": "no-such-kernel", "display_name": "R", "language": "R"}
    with pytest.raises(DeadKernelError, match="'no-such-kernel' is not installed"):
        execute(source, cwd=tmp_path, env=dict(os.environ))


def test_without_fork_an_ordinary_kernel_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sources = ("print('one')\n'two'", "import sys\nprint('three', file=sys.stderr)", "1/0")
    forked = run(tmp_path, *sources)
    monkeypatch.setattr(engine, "can_fork", lambda: False)
    ordinary = run(tmp_path, *sources)
    assert ordinary.notice == "This system cannot fork. The notebook ran in an ordinary kernel."
    assert ordinary.notebook == forked.notebook


def test_libraries_that_print_or_start_threads_are_not_preloaded(tmp_path: Path):
    (tmp_path / "prints.py").write_text("print('hello from an import')\n")
    (tmp_path / "threads.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    (tmp_path / "plain.py").write_text("VALUE = 1\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with ForkServer.start(["plain", "prints", "threads", "missing"], env=env) as fork_server:
        done = execute(
            notebook("import prints, plain", "import threads, threading\nthreading.active_count()"),
            cwd=tmp_path,
            env=env,
            fork_server=fork_server,
        )
    assert done.failure is None
    assert text(done.notebook["cells"][0]) == "hello from an import\n"
    assert text(done.notebook["cells"][1]) == "2"


def test_forks_share_neither_names_nor_random_numbers_nor_settings(tmp_path: Path):
    env = {**os.environ, **PINNED}
    source = notebook(
        "import os, random, numpy\nseen = globals().get('mark'), os.environ.get('MARK'), numpy.get_printoptions()['precision']",
        "mark = 1\nos.environ['MARK'] = '1'\nnumpy.set_printoptions(precision=3)\nprint(random.random(), numpy.random.random())",
        "print(seen)",
    )
    with ForkServer.start(["numpy"], env=env) as fork_server:
        one, two = (execute(source, cwd=tmp_path, env=env, fork_server=fork_server).notebook["cells"] for _ in range(2))
    assert text(one[1]) != text(two[1])
    assert text(one[2]) == text(two[2]) == "(None, None, 8)\n"


def test_a_fork_server_leaves_no_folder_if_its_owner_is_killed(tmp_path: Path):
    code = (
        "import os, time\nfrom nbship.execution.kernels.client import ForkServer\n"
        "fork_server = ForkServer.start(env=os.environ)\nfork_server._connect().close()\nprint(fork_server.address, flush=True)\ntime.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        folder = Path(starter.stdout.readline().strip()).parent
        assert (folder / "socket").exists()
        starter.kill()
    wait_until(lambda: not folder.exists())
    assert not folder.exists()


@pytest.mark.parametrize("forks", [True, False], ids=["forked", "ordinary"])
@pytest.mark.parametrize("ending", ["exit()", "quit()", "import sys; sys.exit(0)", "raise SystemExit"])
def test_a_notebook_ends_in_the_cell_that_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, forks: bool
):
    if not forks:
        monkeypatch.setattr(engine, "can_fork", lambda: False)
    done = run(tmp_path, "print('one')", f"print('two')\n{ending}", "# a remark", "print('three')")
    assert (done.failure, done.ended_by) == (None, 1)
    one, two, _, three = done.notebook["cells"]
    assert (text(one), text(three)) == ("one\n", "")
    assert text(two).startswith("two\n")
    assert "Cell In [2] ended the notebook, as it called `exit`. The cells after it did not run." in done.notice
    assert done.modules is not None


def test_an_exit_in_the_last_cell_needs_no_remark(tmp_path: Path):
    done = run(tmp_path, "exit()", "", "# End")
    assert (done.failure, done.notice) == (None, "")


def test_an_exit_status_is_a_failure_of_its_cell(tmp_path: Path):
    done = run(tmp_path, "import sys; sys.exit(3)", "1")
    assert (done.failure.cell, done.failure.ename, done.failure.evalue) == (0, "SystemExit", "3")


def test_a_breakpoint_is_passed_over_as_without_a_debugger(tmp_path: Path):
    done = run(tmp_path, "def work():\n    breakpoint()\n    return 'done'\nwork()", "import pdb\npdb.Pdb.__module__")
    assert [text(cell) for cell in done.notebook["cells"]] == ["'done'", "'IPython.core.debugger'"]


def test_libraries_find_a_connection_file(tmp_path: Path):
    code = "import ipykernel, sys\nipykernel.get_connection_file() == sys.argv[2], ipykernel.get_connection_info()"
    assert text(run(tmp_path, code).notebook["cells"][0]) == "(True, '{}')"


def test_an_interrupt_stops_an_awaiting_cell(tmp_path: Path):
    done = run(tmp_path, "import asyncio\nprint('here')\nawait asyncio.sleep(1000)", limits=Limits(cell=1))
    assert done.failure.kind == "timeout"
    output, error = done.notebook["cells"][0]["outputs"]
    assert output["text"] == "here\n"
    assert "CancelledError" in "".join(error["traceback"])


def test_a_cell_may_stop_the_event_loop(tmp_path: Path):
    done = run(tmp_path, "import asyncio\nasyncio.get_event_loop().stop()", "print('on')")
    assert text(done.notebook["cells"][1]) == "on\n"


def test_a_value_that_cannot_be_displayed_fails_with_its_cause(tmp_path: Path):
    code = "class Own:\n    def _repr_html_(self): raise ValueError('the cause')\nOwn()"
    done = run(tmp_path, code)
    assert (done.failure.ename, done.failure.evalue) == ("ValueError", "the cause")


def test_messages_sent_through_the_kernel_are_shown(tmp_path: Path):
    send = "kernel = get_ipython().kernel\nkernel.send_response(kernel.iopub_socket, 'stream', {'name': 'stdout', 'text': 'sent'});"
    done = run(tmp_path, send)
    assert text(done.notebook["cells"][0]) == "sent"
