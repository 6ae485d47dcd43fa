"""Five notebooks, each with imports, 0.2 s of work and 14 MB of Parquet: the cost of running them.

The floor is one script that imports once and does the work of all five. Everything runs cold: no products, no cached
results, no process from an earlier run. Stages check nothing, so only the running of notebooks is compared.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from .cells import notebook
from .timing import in_turn, table

PINS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
QUIET = {"DVC_NO_ANALYTICS": "1", "PLOOMBER_STATS_ENABLED": "false", "PLOOMBER_VERSION_CHECK_DISABLED": "true"}
IMPORTS = "import time\nimport numpy as np\nimport pandas as pd\nimport sklearn.ensemble"
WORK = """
until = time.process_time() + 0.2
while time.process_time() < until:
    np.sort(np.random.default_rng(seed).random(10_000))
frame = pd.DataFrame(np.random.default_rng(seed).random((175_000, 10)), columns=[f"c{i}" for i in range(10)])
frame.to_parquet(path)
"""
NAMES = [f"n{number}" for number in range(5)]
BIN = Path(sys.executable).parent


def run() -> str:
    """Return the comparison as Markdown, and what a null notebook costs."""
    compileall.compile_dir(Path(__file__).parent.parent / "src", quiet=2)
    with tempfile.TemporaryDirectory() as name:
        calls = {title: make(Path(name) / str(place)) for place, (title, make) in enumerate(_WAYS.items())}
        five = in_turn(calls, rounds=1 if "--quick" in sys.argv else 3)
    return "\n\n".join([table(five, floor="one script, one process", unit="s"), _null()])


def _null() -> str:
    import papermill

    from nbship.execution.kernels.client import ForkServer
    from nbship.execution.kernels.executor import execute

    environ = {**os.environ, **PINS}
    source = notebook("import pandas\nimport sklearn.ensemble")
    with (
        tempfile.TemporaryDirectory() as name,
        ForkServer.start(["pandas", "sklearn.ensemble"], env=environ) as fork_server,
    ):
        folder = Path(name)
        (folder / "in.ipynb").write_text(json.dumps(source), encoding="utf-8")
        seconds = in_turn(
            {
                "papermill, in one process": lambda: papermill.execute_notebook(
                    folder / "in.ipynb", folder / "out.ipynb", progress_bar=False, kernel_name="python3"
                ),
                "nbship, forked from the fork server": lambda: execute(
                    source, cwd=folder, env=environ, fork_server=fork_server
                ),
            },
            rounds=9,
        )
    title = "A null notebook that imports pandas and scikit-learn:"
    return f"{title}\n\n" + table(seconds, floor="papermill, in one process", unit="ms")


def _do(*commands: list[str], cwd: Path, clean: Callable[[], None]) -> Callable[[], object]:
    """Return a function that cleans up and runs commands in sequence."""
    environ = {**os.environ, **PINS, **QUIET, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def call() -> None:
        clean()
        for command in commands:
            done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, encoding="utf-8", check=False)
            if done.returncode:
                raise RuntimeError(f"{command} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    return call


def _removing(folder: Path, *names: str) -> Callable[[], None]:
    def clean() -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    return clean


def _scripts(folder: Path) -> list[str]:
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        (folder / f"{name}.py").write_text(
            f"seed, path = {seed}, '{name}.parquet'\n{IMPORTS}\n{WORK}", encoding="utf-8"
        )
    return NAMES


def _one_script(folder: Path) -> Callable[[], object]:
    names = _scripts(folder)
    (folder / "all.py").write_text(
        "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in names), encoding="utf-8"
    )
    return _do([sys.executable, "all.py"], cwd=folder, clean=_removing(folder))


def _five_scripts(folder: Path) -> Callable[[], object]:
    return _do(*([sys.executable, f"{name}.py"] for name in _scripts(folder)), cwd=folder, clean=_removing(folder))


def _notebooks(folder: Path) -> None:
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        parameters = f"seed = {seed}\npath = '{name}.parquet'"
        (folder / f"{name}.ipynb").write_text(
            json.dumps(notebook(IMPORTS, WORK, parameters=parameters)), encoding="utf-8"
        )


def _papermill(folder: Path) -> Callable[[], object]:
    _notebooks(folder)
    commands = [[str(BIN / "papermill"), f"{name}.ipynb", f"{name}.out.ipynb", "-p", "seed", "1"] for name in NAMES]
    return _do(*commands, cwd=folder, clean=_removing(folder))


def _papermill_in_one_process(folder: Path) -> Callable[[], object]:
    _notebooks(folder)
    calls = "\n".join(
        f"papermill.execute_notebook('{name}.ipynb', '{name}.out.ipynb', parameters={{'seed': 1}}, progress_bar=False)"
        for name in NAMES
    )
    (folder / "all.py").write_text(f"import papermill\n{calls}", encoding="utf-8")
    return _do([sys.executable, "all.py"], cwd=folder, clean=_removing(folder))


def _dvc(folder: Path) -> Callable[[], object]:
    _notebooks(folder)
    stages = {
        name: {
            "cmd": f"papermill {name}.ipynb {name}.out.ipynb -p seed {seed}",
            "deps": [f"{name}.ipynb"],
            "outs": [f"{name}.out.ipynb", f"{name}.parquet"],
        }
        for seed, name in enumerate(NAMES)
    }
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    _initialise(folder)
    made = [f"{name}{ending}" for name in NAMES for ending in (".out.ipynb", ".parquet")]
    clean = _removing(folder, "dvc.lock", ".dvc/cache", ".dvc/tmp", *made)
    return _do([str(BIN / "dvc"), "repro"], cwd=folder, clean=clean)


def _project(folder: Path, *, upstream: str = "upstream = None") -> None:
    """Create a project of five independent stages for Ploomber and nbship."""
    (folder / "notebooks").mkdir(parents=True)
    tasks = []
    for name in NAMES:
        parameters = f"{upstream}\nproduct = None\nseed = 0"
        source = notebook(IMPORTS, f"path = product['data']\n{WORK}", parameters=parameters)
        (folder / "notebooks" / f"{name}.ipynb").write_text(json.dumps(source), encoding="utf-8")
        tasks.append(
            {
                "source": f"notebooks/{name}.ipynb",
                "name": name,
                "product": {"nb": f"products/{name}.ipynb", "data": f"products/{name}.parquet"},
                "params": {"seed": f"{{{{{name}.seed}}}}"},
            }
        )
    (folder / "pipeline.yaml").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    params = "".join(f"{name}:\n  seed: {seed}\n" for seed, name in enumerate(NAMES))
    (folder / "params.yaml").write_text(params, encoding="utf-8")


def _ploomber(*options: str) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        _project(folder)
        (folder / "env.yaml").write_text((folder / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        command = [str(BIN / "ploomber"), "build", "--force", *options]
        return _do(command, cwd=folder, clean=_removing(folder, "products"))

    return make


def _nbship(*options: str) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        _project(folder)
        _initialise(folder)
        subprocess.run([str(BIN / "nbship"), "sync"], cwd=folder, check=True, capture_output=True)
        clean = _removing(folder, "products", "dvc.lock", ".dvc/cache", ".dvc/tmp", ".nbship/cache", ".nbship/state")
        return _do([str(BIN / "nbship"), "run", *options], cwd=folder, clean=clean)

    return make


def _initialise(folder: Path) -> None:
    environ = {**os.environ, **QUIET}
    subprocess.run([str(BIN / "dvc"), "init", "--no-scm", "-q"], cwd=folder, check=True, env=environ)


_WAYS: Mapping[str, Callable[[Path], Callable[[], object]]] = {
    "one script, one process": _one_script,
    "five scripts": _five_scripts,
    "papermill, five commands": _papermill,
    "papermill, in one process": _papermill_in_one_process,
    "ploomber build": _ploomber(),
    "dvc repro with papermill": _dvc,
    "nbship run": _nbship(),
    "nbship run -j 2": _nbship("-j", "2"),
}
