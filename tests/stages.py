"""Small projects of a few stages, written to a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbship import project
from nbship.dvcstore.digests import Digests
from nbship.dvcstore.lock_entry import make_entry
from nbship.dvcstore.lock_file import LockFile
from nbship.pipeline import declare, derive, plan_stages, read_pipeline
from nbship.pipeline.copies import write_copies
from nbship.pipeline.synchronization import sync

PIPELINE = """\
tasks:
  - source: notebooks/load.ipynb
    name: load
    params:
      rate: "{{load.rate}}"
      title: "to {{load.month}}"
      limit: 3
      resources_: {raw: data/raw.csv, names: data/names.csv}
    product:
      nb: out/load.ipynb
      first: out/first.csv
      second: out/second.csv
      metrics: out/load.json
      plot_rate_by_hour: out/rate.json
  - source: notebooks/fit.ipynb
    name: fit
    params: {seed: "{{fit.seed}}"}
    product: {nb: out/fit.ipynb, html: out/fit.html, package: models/small}
    nb_product_key: [nb, html]
"""
PARAMS = """\
# The truth.
load:
  rate: 0.5  # a share
  month: july
fit:
  seed: 3
"""
LOCK = """\
version = 1

[[package]]
name = "numpy"
version = "2.0"

[[package]]
name = "pandas"
version = "3.0"
dependencies = [{ name = "numpy" }, { name = "tzdata", marker = "sys_platform == 'win32'" }]

[[package]]
name = "tzdata"
version = "2026"

[[package]]
name = "unused"
version = "1"
"""


def code_cell(source: str, *, place: int = 0, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "id": f"c{place}",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def write_notebook(path: Path, parameters: str, *cells: str) -> None:
    first = code_cell(parameters, tags=("parameters",))
    rest = [code_cell(source, place=place) for place, source in enumerate(cells, start=1)]
    write_json(path, {"cells": [first, *rest], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_project(root: Path) -> Path:
    """Write a project with a stage `load` that reads files and a stage `fit` that builds a package."""
    files = {
        "pipeline.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "uv.lock": LOCK,
        "data/raw.csv": "a,b\n1,2\n",
        "data/names.csv": "a\n",
        "src/own/__init__.py": "",
        "src/own/features.py": "import pandas\n",
        ".gitignore": ".nbship/\nenv.yaml\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write_notebook(
        root / "notebooks/load.ipynb",
        'upstream = None\nproduct = None\nrate = 0.5  # kept\ntitle = "to july"\nlimit = 3',
        "from own import features",
    )
    write_notebook(root / "notebooks/fit.ipynb", "upstream = ['load']\nproduct = None\nseed = 3", "import json")
    return root


def replace(path: Path, old: str, new: str) -> None:
    """Replace a string that a file must contain."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def pretend_run(root: Path) -> None:
    """Write the files of a finished run with invented products, without executing a notebook."""
    loaded = project.load(root)
    sync(loaded, check_with_ploomber=False)
    pipeline = read_pipeline(loaded)
    write_copies(loaded, pipeline)
    plans = plan_stages(loaded, pipeline)
    for plan in plans.values():
        for path in map(root.joinpath, plan.stage.products.values()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"made by {plan.stage.name}\n")
    digests = Digests(root / ".nbship/cache/pretended.json")
    entries = {
        stage.name: make_entry(stage.command, stage.files, stage.params, root=root, digests=digests)
        | {"outs": [{"path": path, "hash": "md5", "md5": digests.md5(root / path)} for path in sorted(stage.products)]}
        for stage in declare(loaded, derive(loaded, pipeline, plans)).values()
    }
    (root / "dvc.lock").write_text(LockFile().with_stages(entries).text)
