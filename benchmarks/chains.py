"""5, 50 and 300 stages without work, in chains of ten: the cost of bookkeeping (`--full`: also DVC's 300 from cold).

DVC's stages copy a line by `cat`, nbship's are notebooks that do it, each in a process of its own. The floor gets each
file's size and time from the file system and compares them with one index.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .cells import notebook

SIZES = (5, 50, 300)
CHAIN = 10
BIN = Path(sys.executable).parent
ENVIRON = {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
DVC = [sys.executable, "-m", "dvc"]
NBSHIP = [str(BIN / "nbship")]
STAT = """
import json, os
for path, size, mtime in json.load(open("index.json", encoding="utf-8")):
    found = os.stat(path)
    assert (found.st_size, found.st_mtime_ns) == (size, mtime)
"""


def run() -> str:
    """Return the comparison as Markdown: seconds of whole commands."""
    columns = [_measure(size) for size in SIZES]
    rows = [f"| {name} | " + " | ".join(_seconds(column.get(name)) for column in columns) + " |" for name in columns[0]]
    head = "| | " + " | ".join(f"{size} stages" for size in SIZES) + " |"
    return "\n".join([head, "|---|" + "--:|" * len(SIZES), *rows])


def _measure(size: int) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as name:
        dvc, nbship = _write_commands(Path(name) / "dvc", size), _write_notebooks(Path(name) / "nbship", size)
        values = itertools.count(size + 1)

        def change() -> None:
            params = nbship / "params.yaml"
            lines = params.read_text(encoding="utf-8").splitlines()
            params.write_text("\n".join([*lines[:-1], f"  value: {next(values)}", ""]), encoding="utf-8")

        seconds: dict[str, float] = {}
        if size < SIZES[-1] or "--full" in sys.argv:
            seconds["`dvc repro`, cold"] = _time([*DVC, "repro", "-q"], dvc, before=lambda: _clear(dvc), rounds=1)
            seconds["`dvc repro`, nothing to do"] = _time([*DVC, "repro", "-q"], dvc, rounds=5)
        seconds["`nbship run`, cold"] = _time([*NBSHIP, "run"], nbship, before=lambda: _clear(nbship), rounds=3)
        seconds["`nbship run -j 2`, cold"] = _time(
            [*NBSHIP, "run", "-j", "2"], nbship, before=lambda: _clear(nbship), rounds=3
        )
        seconds["`nbship run`, nothing to do"] = _time([*NBSHIP, "run"], nbship, rounds=9)
        seconds["`nbship run`, one parameter changed"] = _time([*NBSHIP, "run"], nbship, before=change, rounds=5)
        seconds["`nbship status`, nothing to do"] = _time([*NBSHIP, "status"], nbship, rounds=9)
        seconds["`dvc repro` after `nbship run`, nothing to do"] = _time([*DVC, "repro", "-q"], nbship, rounds=1)
        _write_index(nbship)
        seconds["floor: `stat` of every file"] = _time([sys.executable, "-c", STAT], nbship, rounds=9)
    return seconds


def _time(command: list[str], folder: Path, *, before: Callable[[], object] = lambda: None, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        before()
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, env=ENVIRON, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _clear(folder: Path) -> None:
    for path in ("out", ".nbship", ".dvc/cache", ".dvc/tmp", "dvc.lock"):
        place = folder / path
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    (folder / "out").mkdir()


def _write_commands(root: Path, size: int) -> Path:
    (root / "in").mkdir(parents=True)
    stages = []
    for number in range(size):
        before = f"out/s{number - 1}.txt" if number % CHAIN else f"in/s{number}.txt"
        (root / "in" / f"s{number}.txt").write_text(f"{number}\n", encoding="utf-8")
        after = f"out/s{number}.txt"
        stages.append(f"  s{number}:\n    cmd: cat {before} > {after}\n    deps: [{before}]\n    outs: [{after}]\n")
    (root / "dvc.yaml").write_text("stages:\n" + "".join(stages), encoding="utf-8")
    return _prepare(root)


def _write_notebooks(root: Path, size: int) -> Path:
    (root / "notebooks").mkdir(parents=True)
    tasks, params = [], []
    for number in range(size):
        name, before = f"s{number}", f"s{number - 1}"
        read = f"open(upstream['{before}']['data']).read()" if number % CHAIN else "''"
        above = [before] if number % CHAIN else None
        parameters = f"upstream = {above}\nproduct = None\nvalue = {number}"
        write = "open(product['data'], 'w').write(f'{text}{value}')"
        content = notebook(f"text = {read}", write, parameters=parameters)
        (root / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
        tasks += [
            f"  - source: notebooks/{name}.ipynb",
            f"    name: {name}",
            f'    params: {{value: "{{{{{name}.value}}}}"}}',
            f"    product: {{nb: out/{name}.ipynb, data: out/{name}.txt}}",
        ]
        params += [f"{name}:", f"  value: {number}"]
    (root / "pipeline.yaml").write_text("\n".join(["tasks:", *tasks, ""]), encoding="utf-8")
    (root / "params.yaml").write_text("\n".join([*params, ""]), encoding="utf-8")
    return _prepare(root)


def _prepare(root: Path) -> Path:
    (root / "out").mkdir()
    subprocess.run([*DVC, "init", "--no-scm", "-q"], cwd=root, env=ENVIRON, check=True)
    return root


def _write_index(root: Path) -> None:
    files = [path for path in root.rglob("*") if path.is_file() and ".dvc" not in path.parts]
    marks = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    (root / "index.json").write_text(json.dumps(marks), encoding="utf-8")


def _seconds(taken: float | None) -> str:
    return "–" if taken is None else f"{taken:.3g} s"
