"""One notebook that imports pandas and scikit-learn and does nothing else: what running it costs."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from .timing import in_turn, table, whole_command

IMPORTS = "import pandas\nimport sklearn.ensemble"


def run() -> str:
    """Return the comparison as Markdown: a plain script is the floor, papermill the peer."""
    import nbformat
    import papermill

    from nbship.execution.engine import execute

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.py").write_text(IMPORTS)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(IMPORTS)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, folder / "in.ipynb")
        seconds = in_turn(
            {
                "python script.py": whole_command(sys.executable, str(folder / "script.py")),
                "papermill, in one process": lambda: papermill.execute_notebook(
                    folder / "in.ipynb", folder / "out.ipynb", progress_bar=False
                ),
                "nbship engine": lambda: execute(dict(notebook), cwd=folder, env=dict(os.environ)),
            },
            rounds=5,
        )
    return table(seconds, floor="python script.py", unit="s")
