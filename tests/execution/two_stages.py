"""A project of two stages, written to a folder."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from commands import run

from nbship import project
from nbship.pipeline import ploomber, read_pipeline

from .notebooks import notebook

PIPELINE = """\
meta: {extract_product: false}
tasks:
  - source: notebooks/10_load.ipynb
    name: load
    params:
      rows: "{{load.rows}}"
      resources_: {numbers: data/numbers.json}
    product:
      nb: products/10_load.ipynb
      data: products/data.json
    local_execution: true
  - source: notebooks/20_fit.ipynb
    name: fit
    params: {seed: "{{fit.seed}}"}
    product:
      nb: products/20_fit.ipynb
      html: products/20_fit.html
      metrics: products/metrics.json
      plot_values: products/values.json
    nb_product_key: [nb, html]
    nbconvert_exporter_name: {html: html}
    local_execution: true
"""
PARAMS = """\
load:
  rows: 40  # of them
fit:
  seed: 3
"""
LOAD = """\
import json
from colours import red
numbers = json.loads(stage.resources["numbers"].read_text())
stage.write_json("data", [[red.shade(number) for number in numbers]] * stage.params["rows"])"""
FIT = """\
import json
import numpy as np
rows = np.array(json.loads(stage.upstream["load"]["data"].read_text()))
noise = np.random.default_rng(stage.params["seed"]).normal(size=rows.shape)
values = np.linalg.svd(rows + noise, compute_uv=False)
stage.metrics({"largest": values[0], "sum": values.sum()})
stage.plot("values", [{"x": place, "y": value} for place, value in enumerate(values)])
print(stage.origin.value, repr(values[0].item()))"""


def write_project(root: Path) -> Path:
    for name, text in {
        "pipeline.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "data/numbers.json": "[1, 2, 3, 5, 8, 13]",
        "src/colours/__init__.py": "",
        "src/colours/red.py": "def shade(number):\n    return number / 7\n",
        ".gitignore": ".nbship/\nenv.yaml\n__pycache__/\n*.metadata\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    stages = {
        "10_load": ("load", "# parameters\nupstream = None\nproduct = None\nrows = 40", LOAD),
        "20_fit": ("fit", '# parameters\nupstream = ["load"]\nproduct = None\nseed = 3', FIT),
    }
    (root / "notebooks").mkdir(parents=True)
    for file, (name, parameters, work) in stages.items():
        content = notebook(
            f"from nbship import notebook\n\nstage = notebook.open_stage({name!r})", work, parameters=parameters
        )
        (root / "notebooks" / f"{file}.ipynb").write_text(json.dumps(content, indent=1))
    _accept(root)
    return root


def _accept(root: Path) -> None:
    """Store what a run stores after Ploomber has read the pipeline: each process that imports Ploomber takes seconds."""
    loaded = project.load(root)
    (root / ".nbship/cache").mkdir(parents=True)
    (root / ".nbship/cache/ploomber-accepts").write_text(ploomber._cache_key(loaded, read_pipeline(loaded)))


def call(root: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment in a folder; its environment is not activated."""
    environ = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "NBSHIP_STAGE"}}
    environ |= {"PLOOMBER_STATS_ENABLED": "false", "DVC_NO_ANALYTICS": "1", **variables}
    return run(*command, cwd=root, env=environ)


def git(root: Path, *arguments: str) -> str:
    """Run Git in a folder, with a name and address set, and return its output."""
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(["git", *names, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout
