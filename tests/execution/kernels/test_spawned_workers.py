"""Processes that a notebook starts import the modules beside it, as with an ordinary kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbship.execution.kernels.client import ForkServer
from nbship.execution.kernels.execution import Limits
from nbship.execution.kernels.executor import execute

from ..notebooks import notebook, text

POOL = "import multiprocessing\nwith multiprocessing.get_context('{}').Pool(1) as pool:\n    print(pool.map(beside.cube, [2, 3]))"
WORKERS = {
    "joblib": "from joblib import Parallel, delayed\nprint(Parallel(n_jobs=2)(delayed(beside.cube)(x) for x in [2, 3]))",
    "multiprocessing, spawn": POOL.format("spawn"),
    "multiprocessing, forkserver": POOL.format("forkserver"),
    "concurrent.futures": (
        "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as pool:\n"
        "    print(list(pool.map(beside.cube, [2, 3])))"
    ),
}


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer.start(["joblib", "multiprocessing"], env=os.environ) as started:
        yield started


@pytest.mark.parametrize("code", WORKERS.values(), ids=WORKERS)
def test_a_module_beside_the_notebook_works_in_processes_that_it_starts(
    tmp_path: Path, fork_server: ForkServer, code: str
):
    (tmp_path / "beside.py").write_text("def cube(x):\n    return x**3\n")
    done = execute(
        notebook("import beside", code),
        cwd=tmp_path,
        env=dict(os.environ),
        limits=Limits(cell=20),  # a pool replaces processes that cannot import a module without end
        fork_server=fork_server,
    )
    assert text(done.notebook["cells"][1]) == "[8, 27]\n"
