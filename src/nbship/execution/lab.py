"""JupyterLab on the project's folder, with this environment's interpreter, its kernels warm."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from ..errors import NbshipError
from ..notebook import PINNED
from ..pipeline import plan_stages, read_pipeline
from ..project import Project, load
from .environment import with_own_programs
from .kernels import shared_parent

__all__ = ["lab_command", "lab_environment", "write_jupyter_files"]

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


def lab_environment(environ: Mapping[str, str], *, jupyter: Path) -> dict[str, str]:
    """Return the environment: pinned as the pipeline's kernels are, the project's kernel first.

    Parameters
    ----------
    jupyter
        The folder that `write_jupyter_files` wrote.
    """
    kept = {key: value for key, value in environ.items() if not key.startswith("NBSHIP_STAGE")}
    paths = {
        name: os.pathsep.join([str(jupyter), *filter(None, [environ.get(name)])])
        for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
    }
    # The zone and locale of a terminal stay: they belong to the person, and `open_stage` sets the kernel's.
    pinned = {key: value for key, value in PINNED.items() if key not in {"TZ", "LC_ALL"}}
    return {**with_own_programs(kept), **paths, "JUPYTER_PREFER_ENV_PATH": "1", **pinned}


def write_jupyter_files(project: Project) -> Path:
    """Write the project's kernelspec, and what a server reads to start the warm parent; return their folder.

    The kernel is called `python3`, as the one that it stands for, so that notebooks stay as they are.
    """
    from ipykernel.kernelspec import RESOURCES, get_kernel_dict

    folder = project.cache / "jupyter"
    spec = get_kernel_dict()
    provisioner = {"kernel_provisioner": {"provisioner_name": "nbship"}}
    spec |= {"argv": [sys.executable, *spec["argv"][1:]], "metadata": {**spec["metadata"], **provisioner}}
    shutil.copytree(RESOURCES, folder / "kernels/python3", dirs_exist_ok=True)
    write_whole(folder / "kernels/python3/kernel.json", json.dumps(spec, indent=1))
    extensions = {"ServerApp": {"jpserver_extensions": {__name__: True}}}
    write_whole(folder / "jupyter_server_config.d/nbship.json", json.dumps(extensions))
    # What asks whether it may fetch news.
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    write_whole(folder / "labconfig/page_config.json", json.dumps(quiet))
    return folder


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Start the warm parent, so that it has the notebooks' libraries by the time that somebody opens one."""
    try:
        project = load(server.root_dir)
        plans = plan_stages(project, read_pipeline(project))
    except NbshipError as error:
        server.log.warning(f"Kernels start without the notebooks' libraries: {error}")
        return
    modules = {name: None for plan in plans.values() for name in plan.imports}
    shared_parent(os.environ, modules=modules)
