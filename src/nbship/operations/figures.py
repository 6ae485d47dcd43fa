"""The figures of an executed notebook as PNG files, named by the heading they stand under."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole

__all__ = ["write_figures"]

_HEADING = re.compile(r"^#+[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_LONGEST = 50


def write_figures(notebook: Mapping[str, Any], folder: Path, *, prefix: str) -> list[Path]:
    """Write each PNG output of a notebook to a folder; return the paths, in the order of the notebook.

    The first figure under '## 2. Predictions per day' of the notebook 'monitor' is `monitor-2-predictions-per-day.png`, the
    next one `monitor-2-predictions-per-day~2.png`.
    """
    paths: list[Path] = []
    for heading, content in _figures(notebook):
        name = f"{prefix}-{_slug(heading)}" if heading else prefix
        same = sum(path.stem == name or path.stem.startswith(f"{name}~") for path in paths)
        path = folder / (f"{name}~{same + 1}.png" if same else f"{name}.png")
        write_whole(path, content, mode=0o600)
        paths.append(path)
    return paths


def _figures(notebook: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the figures, each with the last heading above it."""
    heading = ""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = (_HEADING.findall(source) or [heading])[-1]
        for output in cell.get("outputs", ()):
            image = output.get("data", {}).get("image/png")
            if image:
                yield heading, base64.b64decode("".join(image))


def _slug(heading: str) -> str:
    """Return a heading as part of a file name.

    >>> _slug("2. Predictions per day!")
    '2-predictions-per-day'
    """
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")[:_LONGEST].rstrip("-") or "figure"
