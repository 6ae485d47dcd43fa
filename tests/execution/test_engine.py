from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from nbship.execution.engine import Limits, Listener, execute

from .notebooks import notebook, text


def run(tmp_path: Path, *sources: str, **options):
    return execute(notebook(*sources), cwd=tmp_path, env=dict(os.environ), **options)


def test_cells_share_a_kernel_of_this_interpreter_in_the_folder(tmp_path: Path):
    seen = []
    done = run(
        tmp_path,
        "import sys, os",
        "print(sys.executable, os.getcwd())",
        listener=Listener(cell=lambda *at: seen.append(at)),
    )
    assert done.failure is None
    assert text(done.notebook["cells"][1]) == f"{sys.executable} {tmp_path}\n"
    assert [cell["execution_count"] for cell in done.notebook["cells"]] == [1, 2]
    assert seen == [(1, 2), (2, 2)]
    assert done.usage.wall > 0
    assert done.usage.peak > 10_000_000
    nbformat.validate(nbformat.from_dict(done.notebook))


def test_loaded_modules_are_told_and_the_question_leaves_no_trace(tmp_path: Path):
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


def test_an_expected_error_is_no_failure(tmp_path: Path):
    source = notebook("1/0", "print('on')")
    source["cells"][0]["metadata"] = {"tags": ["raises-exception"]}
    done = execute(source, cwd=tmp_path, env=dict(os.environ))
    assert done.failure is None
    assert text(done.notebook["cells"][1]) == "on\n"


@pytest.mark.parametrize(
    ("ending", "reason"),
    [("os.kill(os.getpid(), 9)", "was killed by SIGKILL"), ("os._exit(7)", "ended with exit status 7")],
)
def test_a_dead_kernel_is_marked_in_its_cell(tmp_path: Path, ending: str, reason: str):
    began = time.monotonic()
    done = run(tmp_path, "print('first')", f"import os, time\nprint('then', flush=True)\ntime.sleep(0.3)\n{ending}")
    assert time.monotonic() - began < 10
    assert (done.failure.kind, done.failure.cell) == ("died", 1)
    first, second = done.notebook["cells"]
    assert text(first) == "first\n"
    assert text(second) == "then\n"
    assert second["outputs"][-1]["ename"] == "DeadKernelError"
    assert reason in second["outputs"][-1]["evalue"]


def test_a_cell_that_ignores_interrupts_is_stopped_in_time(tmp_path: Path):
    code = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(60)"
    )
    began = time.monotonic()
    done = run(tmp_path, code, limits=Limits(cell=1))
    assert time.monotonic() - began < 10
    assert done.failure.kind == "timeout"
    cell = done.notebook["cells"][0]
    assert text(cell) == "here\n"
    assert "longer than 1 s" in cell["outputs"][-1]["evalue"]


def test_what_a_kernel_started_does_not_outlive_it(tmp_path: Path):
    done = run(tmp_path, "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid)")
    child = int(text(done.notebook["cells"][0]))
    time.sleep(0.2)
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True, check=False)
    assert state.stdout.strip()[:1] in {"", "Z"}


def test_home_settings_of_ipython_do_not_reach_the_kernel(tmp_path: Path):
    startup = tmp_path / "home" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("surprise = 1\n")
    env = {**os.environ, "IPYTHONDIR": str(tmp_path / "home")}
    done = execute(notebook("'surprise' in globals()"), cwd=tmp_path, env=env)
    assert text(done.notebook["cells"][0]) == "False"
