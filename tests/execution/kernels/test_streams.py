"""Text that reaches a notebook's standard output on any way is shown, in its cell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbship.execution.kernels.execution import Executed, Limits
from nbship.execution.kernels.executor import execute

from ..notebooks import notebook, text

TEE = "class Tee:\n    def __init__(self, stream): self.stream = stream\n    def write(self, text): return self.stream.write(text)\n"
# Each way prints `one` in its first cell, and the second cell still shows its value.
WAYS = {
    "a wrapper of the buffer": "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('one')",
    "a wrapper of the detached buffer": "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')\nprint('one')",
    "a writer of codecs": "sys.stdout = codecs.getwriter('utf-8')(sys.stdout.buffer)\nprint('one')",
    "a writer of the detached buffer": "sys.stdout = codecs.getwriter('utf-8')(sys.stdout.detach())\nprint('one')",
    "a file of the descriptor": "sys.stdout = os.fdopen(os.dup(1), 'w')\nprint('one')",
    "a file of the stream's descriptor": "sys.stdout = open(sys.stdout.fileno(), 'w', closefd=False)\nprint('one')",
    "Python's own stream": "print('one', file=sys.__stdout__)",
    "Python's own stream in its place": "sys.stdout = sys.__stdout__\nprint('one')",
    "a tee without flush": f"{TEE}sys.stdout = Tee(sys.stdout)\nprint('one')",
    "a tee of a wrapper": f"{TEE}sys.stdout = Tee(io.TextIOWrapper(sys.stdout.buffer))\nprint('one')",
    "a redirection to a wrapper": "own = io.TextIOWrapper(sys.stdout.buffer)\nwith contextlib.redirect_stdout(own): print('one')",
    "a wrapper that was deleted": "io.TextIOWrapper(sys.stdout.buffer).write('one\\n');",
    "a log handler of a wrapper": "log = logging.getLogger('own')\nlog.addHandler(logging.StreamHandler(io.TextIOWrapper(sys.stdout.buffer)))\nlog.error('one')",
    "a log handler from before": "log = logging.getLogger('own')\nlog.addHandler(logging.StreamHandler(sys.stdout))\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nlog.error('one')",
    "a closed stream": "print('one')\nsys.stdout.close()",
    "no stream": "print('one')\nsys.stdout = None\nprint('to nothing')",
    "bytes": "sys.stdout.buffer.write(b'one\\n');",
    "a C library": "ctypes.CDLL(None).printf(b'one\\n');",
    "a reconfigured stream": "sys.stdout.reconfigure(line_buffering=False)\nprint('one')",
    "a child of multiprocessing": "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(1) as pool: pool.map(print, ['one'])",
    "a thread": "import threading\nthread = threading.Thread(target=print, args=['one'])\nthread.start()\nthread.join()",
}
IMPORTS = "import codecs, contextlib, ctypes, io, logging, os, sys"


def run(tmp_path: Path, *sources: str) -> Executed:
    # Set by some tools, this variable would flush what an ordinary process does not.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return execute(notebook(IMPORTS, *sources), cwd=tmp_path, env=env, limits=Limits(cell=60))


@pytest.mark.parametrize("way", WAYS)
def test_text_is_shown_in_the_cell_that_printed_it(tmp_path: Path, way: str):
    done = run(tmp_path, WAYS[way], "2 + 2")
    assert done.failure is None
    _, first, second = done.notebook["cells"]
    assert text(first) == "one\n"
    assert text(second) == "4"


def test_a_wrapper_may_be_replaced_by_another(tmp_path: Path):
    wrap = "sys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint('again')"
    done = run(tmp_path, wrap, wrap, wrap)
    assert [text(cell) for cell in done.notebook["cells"][1:]] == ["again\n"] * 3


@pytest.mark.parametrize("descriptor", ["sys.stdout.fileno()", "1"])
def test_displays_are_shown_while_the_notebook_redirects_a_descriptor(tmp_path: Path, descriptor: str):
    redirected = (
        f"saved, null = os.dup({descriptor}), os.open(os.devnull, os.O_WRONLY)\nos.dup2(null, {descriptor})\n"
        f"os.write({descriptor}, b'hidden')\ndisplay('shown')\nos.dup2(saved, {descriptor})\nprint('back')"
    )
    done = run(tmp_path, redirected)
    assert done.failure is None
    kinds = [(output["output_type"], output.get("text")) for output in done.notebook["cells"][1]["outputs"]]
    assert kinds == [("display_data", None), ("stream", "back\n")]


def test_displays_of_forked_processes_are_shown(tmp_path: Path):
    done = run(
        tmp_path,
        "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(1) as pool: pool.map(display, ['a', 'b'])",
    )
    shown = [output["data"]["text/plain"] for output in done.notebook["cells"][1]["outputs"]]
    assert shown == ["'a'", "'b'"]


@pytest.mark.parametrize("stream", ["Tee(sys.stdout)", "None"])
def test_a_cell_that_replaces_the_stream_shows_its_value_and_error(tmp_path: Path, stream: str):
    done = run(tmp_path, f"{TEE}sys.stdout = {stream}\n2 + 2", f"sys.stdout = {stream}\nraise ValueError('the cause')")
    _, value, error = done.notebook["cells"]
    assert text(value) == "4"
    assert (error["outputs"][-1]["evalue"], done.failure.evalue) == ("the cause", "the cause")


def test_lone_surrogates_become_escapes(tmp_path: Path):
    done = run(
        tmp_path, "from IPython.display import HTML\nprint('\\ud800')\nHTML('\\ud801')", "raise ValueError('\\ud802')"
    )
    _, shown, failed = done.notebook["cells"]
    assert (shown["outputs"][0]["text"], shown["outputs"][1]["data"]["text/html"]) == ("\\ud800\n", "\\ud801")
    assert (failed["outputs"][-1]["evalue"], done.failure.evalue) == ("\\ud802", "\\ud802")
