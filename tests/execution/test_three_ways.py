"""Forked cells, forked kernels and ordinary kernels give the same outputs, over a corpus of notebooks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from nbship.execution.kernels import executor as engine
from nbship.execution.kernels.client import ADDRESS_VARIABLE, ForkServer, private_settings
from nbship.execution.kernels.executor import execute
from nbship.execution.normalization import normalize
from nbship.notebook import PINNED

from .corpus import CELLS, corpus
from .notebooks import notebook

_LIBRARIES = ("numpy", "pandas", "matplotlib.pyplot", "sklearn.pipeline", "sklearn.linear_model", "ipywidgets")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    own = private_settings(tmp_path_factory.mktemp("settings"))
    # Each kind of kernel sets its own backend; one left by an earlier test would reach only ordinary kernels.
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    own.pop("MPLBACKEND")
    return {**inherited, **PINNED, **own, "PWD_TOLD": "here", "TQDM_DISABLE": "1", "SOURCE_DATE_EPOCH": "0"}


@pytest.fixture(scope="module")
def expected(environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The corpus executed by nbclient with ordinary kernels."""
    return with_nbclient(tmp_path_factory.mktemp("ordinary"), environ, CELLS)


def with_nbclient(root: Path, environ: Mapping[str, str], names: Collection[str]) -> dict[str, Any]:
    for name, content in corpus(names).items():
        (root / f"{name}.ipynb").write_text(json.dumps(content))
    command = [sys.executable, str(Path(__file__).with_name("client.py")), str(root)]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ordinary process" not in done.stderr
    return {name: outputs(json.loads((root / f"{name}.ipynb").read_text()), root) for name in names}


def with_engine(root: Path, environ: Mapping[str, str], names: Collection[str], **options: Any) -> dict[str, Any]:
    done = {}
    for name, content in corpus(names).items():
        (root / name).mkdir()
        executed = execute(content, cwd=root / name, env=environ, **options)
        assert executed.failure is None, (name, executed.failure)
        done[name] = outputs(executed.notebook, root)
    return done


def outputs(executed: dict[str, Any], root: Path) -> dict[str, Any]:
    """Return the outputs of each cell, by its source, and the state of widgets."""
    clean = normalize(executed, root=root)
    cells = {
        f"{n}: {cell['source']}": (cell["execution_count"], joined(cell["outputs"]))
        for n, cell in enumerate(clean["cells"])
    }
    widgets = clean["metadata"].get("widgets", {})
    return {**cells, "widgets": widgets, "language": clean["metadata"]["language_info"]}


def joined(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the text between two other outputs, because its pieces and the order of the two streams are random."""
    done: list[dict[str, Any]] = []
    texts: dict[str, str] = {}

    def flush() -> None:
        for name in sorted(texts, reverse=True):
            text = texts.pop(name)
            while "\b" in text:
                text = re.sub(r"[^\n]\x08", "", text)
            done.append({"output_type": "stream", "name": name, "text": re.sub(r".*\r(?=[^\n])", "", text)})

    for output in found:
        if output["output_type"] == "stream":
            texts[output["name"]] = texts.get(output["name"], "") + output["text"]
        else:
            flush()
            done.append(output)
    flush()
    return done


def forked_cells(root: Path, environ: Mapping[str, str], names: Collection[str]) -> dict[str, Any]:
    with ForkServer.start(_LIBRARIES, env=environ) as fork_server:
        return with_engine(root, environ, names, fork_server=fork_server)


def forked_kernels(root: Path, environ: Mapping[str, str], names: Collection[str]) -> dict[str, Any]:
    with ForkServer.start(_LIBRARIES, env=environ) as fork_server:
        wait_until(Path(fork_server.address).exists)
        warm = {ADDRESS_VARIABLE: fork_server.address, "JUPYTER_DEFAULT_PROVISIONER_NAME": "nbship"}
        return with_nbclient(root, {**environ, **warm}, names)


def ordinary_kernels(root: Path, environ: Mapping[str, str], names: Collection[str]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "can_fork", lambda: False)
        return with_engine(root, environ, names)


@pytest.mark.parametrize(
    "execute_corpus",
    [forked_cells, forked_kernels, pytest.param(ordinary_kernels, marks=pytest.mark.long)],
    ids=lambda execute_corpus: execute_corpus.__name__,
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_outputs_are_those_of_an_ordinary_kernel(
    execute_corpus: Callable[[Path, Mapping[str, str], Collection[str]], dict[str, Any]],
    expected: dict[str, Any],
    environ: Mapping[str, str],
    tmp_path: Path,
):
    names: Collection[str] = CELLS
    for attempt in range(3):
        for folder in (tmp_path / f"{attempt}", tmp_path / f"expected {attempt}"):
            folder.mkdir()
        if attempt:  # on a busy machine, an ordinary kernel loses what a child process prints at the end of a cell
            expected |= with_nbclient(tmp_path / f"expected {attempt}", environ, names)
        found = execute_corpus(tmp_path / f"{attempt}", environ, names)
        different = [
            (name, cell) for name in names for cell in expected[name] if found[name][cell] != expected[name][cell]
        ]
        names = {name for name, _ in different}
        if not different:
            return
    for name, cell in different:
        assert found[name][cell] == expected[name][cell], f"{name}, cell {cell}"


def test_output_of_child_processes_is_never_lost(environ: Mapping[str, str], tmp_path: Path):
    cells = {
        "import os, subprocess\nos.system('echo system')": "system\n",
        "subprocess.run(['echo', 'inherited'])\nprint('then')": "inherited\nthen\n",
        "print('first')\nsubprocess.run(['echo', 'second'])\nos.write(1, b'third\\n');": "first\nsecond\nthird\n",
        "if not (pid := os.fork()):\n    print('of a fork', flush=True)\n    os._exit(0)\nos.waitpid(pid, 0);": "of a fork\n",
    }
    executed = execute(notebook(*cells), cwd=tmp_path, env=environ)
    printed = [cell["outputs"][0]["text"] for cell in executed.notebook["cells"]]
    assert printed == list(cells.values())
