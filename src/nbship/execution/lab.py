"""JupyterLab on the project's folder, with this environment's interpreter."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from ..notebook import PINNED
from ..project import Project
from .environment import with_own_programs

__all__ = ["lab_command", "lab_environment"]

# Ploomber's extension calls its base class without awaiting it, and JupyterLab's own default is asynchronous:
# with that, opening any notebook ends in an error 500.
_CONTENTS = "jupyter_server.services.contents.largefilemanager.LargeFileManager"


def lab_command(project: Project, arguments: Sequence[str]) -> list[str]:
    """Return the command; nothing is asked of the network, and `arguments` are JupyterLab's own."""
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={project.root}",
        f"--ServerApp.contents_manager_class={_CONTENTS}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *arguments,
    ]


def lab_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment: pinned as the pipeline's kernels are, this environment's kernel first."""
    kept = {key: value for key, value in environ.items() if not key.startswith("NBSHIP_STAGE")}
    own = {"JUPYTER_PREFER_ENV_PATH": "1"}
    # The zone and locale of a terminal stay: they belong to the person, and `open_stage` sets the kernel's.
    pinned = {key: value for key, value in PINNED.items() if key not in {"TZ", "LC_ALL"}}
    return {**with_own_programs(kept), **own, **pinned}
