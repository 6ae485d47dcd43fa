"""Projects whose modules are not in the source folder: beside the notebook, and below the root."""

from __future__ import annotations

import io
import json
from pathlib import Path

from nbship.execution.reporting.progress import PlainProgress
from nbship.execution.runner import run
from nbship.pipeline import read_status
from nbship.project import load

from .notebooks import notebook, text

CELLS = (
    'import os, sys\nsys.path.insert(0, os.path.abspath(".."))',
    "import beside\nfrom joblib import Parallel, delayed\nfrom src.x import y",
    "print(y(4), Parallel(n_jobs=2)(delayed(beside.cube)(x) for x in [2, 3]))",
)
FILES = {
    "pipeline.yaml": "tasks:\n  - {source: notebooks/1.0-first.ipynb, name: first, product: {nb: reports/first.ipynb}}\n",
    "notebooks/1.0-first.ipynb": json.dumps(notebook(*CELLS)),
    "notebooks/beside.py": "def cube(x):\n    return x**3\n",
    "src/__init__.py": "",
    "src/x.py": "from src.features.build import double\n\n\ndef y(x):\n    return double(x) + 1\n",
    "src/features/build.py": "def double(x):\n    return 2 * x\n",
}


def test_modules_beside_the_notebook_and_below_the_root_are_dependencies(tmp_path: Path):
    """As in projects of cookiecutter-data-science, with processes that import a module beside the notebook."""
    root = tmp_path / "project"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    quiet = PlainProgress(file=io.StringIO())
    assert not run(load(root), progress=quiet).failed
    executed = json.loads((root / "reports/first.ipynb").read_text())
    assert text(executed["cells"][-1]) == "9 [8, 27]\n"
    assert read_status(load(root)).current
    (root / "src/features/build.py").write_text("def double(x):\n    return 3 * x\n")
    assert read_status(load(root)).stages[0].reasons == ("src/features/build.py changed",)
    (root / "notebooks/beside.py").write_text("def cube(x):\n    return x**2\n")
    assert read_status(load(root)).stages[0].reasons == ("notebooks/beside.py changed", "src/features/build.py changed")
