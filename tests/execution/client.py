"""Execute the corpus with nbclient, each notebook in its own kernel: `python client.py FOLDER`."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

sys.path.insert(0, str(Path(__file__).parents[1]))

from wakeful import WakefulManager


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.ipynb")):
        node = nbformat.read(path, as_version=4)
        cwd = folder / path.stem
        cwd.mkdir()
        NotebookClient(
            node,
            kernel_name="python3",
            kernel_manager_class=WakefulManager,
            resources={"metadata": {"path": str(cwd)}},
            timeout=60,
        ).execute()
        path.write_text(json.dumps(node))


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    main(Path(sys.argv[1]))
