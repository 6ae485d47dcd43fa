"""Projects with any graph of small stages, written to a folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from commands import run

from .notebooks import notebook

# A diamond with a tail: two stages can run at a time.
DIAMOND: Mapping[str, Sequence[str]] = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}
LOCK = """\
version = 1
[[package]]
name = "numpy"
version = "{numpy}"
source = {{ registry = "https://pypi.org/simple" }}
"""
# Writes a file, a folder and metrics from the upstream products and the parameters, and logs each execution.
WORK = """\
import json, pathlib
with open(pathlib.Path("..") / "ran.log", "a") as log:
    log.write(stage.name + "\\n")
total = stage.params["start"] + sum(json.loads(files["data"].read_text())["total"] for files in stage.upstream.values())
stage.write_json("data", {"total": total})
folder = stage.product["parts"]
(folder / "inner").mkdir(parents=True)
(folder / "one.txt").write_text("x" * total)
(folder / "inner" / "two.txt").write_text(str(total))
stage.metrics({"total": total})
stage.plot("totals", [{"x": 0, "y": total}])
print(total)"""


def write_graph(
    root: Path, graph: Mapping[str, Sequence[str]] = DIAMOND, *, work: str = WORK, locked: bool = True
) -> Path:
    """Write a project with the stages of `graph` (stage -> upstream stages); `locked`: with a lock file of libraries."""
    tasks, params = ["meta: {extract_product: false}", "tasks:"], []
    (root / "notebooks").mkdir(parents=True)
    for number, (name, before) in enumerate(graph.items()):
        cell = f"# parameters\nupstream = {list(before) or None}\nproduct = None\nstart = {number}\nextra = None"
        opening = f"from nbship import notebook\nstage = notebook.open_stage({name!r})"
        content = notebook(opening, work, parameters=cell)
        (root / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content, indent=1))
        tasks += [
            f"  - source: notebooks/{name}.ipynb",
            f"    name: {name}",
            f'    params: {{start: "{{{{{name}.start}}}}", extra: "{{{{{name}.extra}}}}"}}',
            "    product:",
            f"      nb: products/{name}.ipynb",
            f"      data: products/{name}/data.json",
            f"      parts: products/{name}/parts",
            f"      metrics: products/metrics/{name}.json",
            f"      plot_totals: products/plots/{name}.json",
            "    local_execution: true",
        ]
        params += [f"{name}:", f"  start: {number + 1}", f"  extra: {_EXTRAS[number % len(_EXTRAS)]}"]
    (root / "pipeline.yaml").write_text("\n".join([*tasks, ""]))
    (root / "params.yaml").write_text("\n".join([*params, ""]))
    (root / ".gitignore").write_text(".nbship/\nenv.yaml\n__pycache__/\n*.metadata\nran.log\n")
    if locked:
        import numpy as np

        (root / "uv.lock").write_text(LOCK.format(numpy=np.__version__))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    run("dvc", "init", "-q", cwd=root, check=True)
    return root


_EXTRAS = ("0.00001", "[1, two, 3.5, null]", "{size: 3, nfiles: [], deep: {list: [1]}}", '"with: colon, and #"', "true")


def executions(root: Path) -> list[str]:
    """Return the stages whose notebooks ran since the last call, in order."""
    log = root / "ran.log"
    names = log.read_text().split() if log.is_file() else []
    log.unlink(missing_ok=True)
    return names


def products(root: Path) -> dict[str, bytes]:
    """Return the content of all products and of the lock file."""
    files = [path for path in (root / "products").rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in [*files, root / "dvc.lock"]}
