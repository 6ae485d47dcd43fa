"""Who runs this kernel: nbship's pipeline, bare Ploomber, or a person."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ..errors import StageError

__all__ = ["Context", "Origin", "find_origin"]


class Origin(Enum):
    """Who runs this kernel."""

    PIPELINE = "pipeline"
    PLOOMBER = "ploomber"
    HAND = "hand"


@dataclass(frozen=True)
class Context:
    """The stage that the pipeline runs, passed to its kernel as environment variables.

    Attributes
    ----------
    stage
        Name of the stage that runs.
    root
        The project's folder.
    params
        Names of the stage's parameters; the values are in the parameters cell.
    settings
        Keys of `nbship.yaml` that the stage declares.
    """

    stage: str
    root: Path
    params: tuple[str, ...]
    settings: tuple[str, ...]

    def variables(self) -> dict[str, str]:
        """Return the environment variables that carry this context."""
        content = {"root": str(self.root), "params": list(self.params), "settings": list(self.settings)}
        return {"NBSHIP_STAGE": self.stage, "NBSHIP_CONTEXT": json.dumps(content)}

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Context | None:
        """Return the context that `environ` carries, if any."""
        stage = environ.get("NBSHIP_STAGE")
        if not stage or "NBSHIP_CONTEXT" not in environ:
            return None
        content = json.loads(environ["NBSHIP_CONTEXT"])
        return cls(
            stage=stage,
            root=Path(content["root"]),
            params=tuple(content["params"]),
            settings=tuple(content["settings"]),
        )


def find_origin(name: str, namespace: Mapping[str, Any], *, product: object, notebook: str = "") -> Origin:
    """Tell who runs stage `name`.

    Ploomber's JupyterLab extension injects the same products as `ploomber build`. The kernel is run by hand if a
    Jupyter server or VS Code opened a session on this notebook.

    Raises
    ------
    StageError
        If the pipeline runs another stage than the notebook opens.
    """
    running = os.environ.get("NBSHIP_STAGE")
    if running == name:
        return Origin.PIPELINE
    if running:
        raise StageError(
            f"Stage '{running}' runs a notebook that opens the stage '{name}'. Write `notebook.open_stage(\"{running}\")` there."
        )
    injected = isinstance(product, (Mapping, str)) and bool(product)
    if not injected or "__vsc_ipynb_file__" in namespace or _in_session(notebook) or _started_by_jupyter():
        return Origin.HAND
    return Origin.PLOOMBER


def _in_session(notebook: str) -> bool:
    # A `!ploomber build` in another notebook's cell inherits that notebook's session.
    session = os.environ.get("JPY_SESSION_NAME")
    return session is not None and (not notebook or Path(session).name == notebook)


def _started_by_jupyter() -> bool:
    """Tell whether `jupyter execute` or `jupyter nbconvert` started this kernel (with a saved injected cell)."""
    try:
        command = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    names = {Path(os.fsdecode(part)).name for part in command[:3]}
    return bool(names & {"jupyter-execute", "jupyter-nbconvert", "jupyter-run"})
