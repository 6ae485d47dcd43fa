"""JupyterLab in the project's folder, with this environment's interpreter and warm kernels."""

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
from .kernels import shared_fork_server

__all__ = ["lab_command", "lab_environment", "write_jupyter_files"]

# Ploomber's extension calls its base class without `await`. JupyterLab's default base class is asynchronous, so
# opening any notebook would fail with error 500.
_CONTENTS = "jupyter_server.services.contents.largefilemanager.LargeFileManager"


def lab_command(project: Project, arguments: Sequence[str]) -> list[str]:
    """Return the command with JupyterLab's `arguments`; it makes no network requests."""
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
    """Return the environment: pinned like the pipeline's kernels, with the project's kernelspec first.

    Parameters
    ----------
    jupyter
        The folder from `write_jupyter_files`.
    """
    inherited = {key: value for key, value in environ.items() if not key.startswith("NBSHIP_STAGE")}
    paths = {
        name: os.pathsep.join([str(jupyter), *filter(None, [environ.get(name)])])
        for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
    }
    # The user's time zone and locale stay; `open_stage` pins those of the kernel.
    pinned = {key: value for key, value in PINNED.items() if key not in {"TZ", "LC_ALL"}}
    return {**with_own_programs(inherited), **paths, "JUPYTER_PREFER_ENV_PATH": "1", **pinned}


def write_jupyter_files(project: Project) -> Path:
    """Write the project's kernelspec, and settings that make a Jupyter server start the fork server; return the folder.

    The kernelspec replaces `python3`, so notebooks need no change.
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
    # This extension asks the user for permission to fetch news.
    page = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    write_whole(folder / "labconfig/page_config.json", json.dumps(page))
    return folder


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Start the fork server, so that it has imported the notebooks' libraries before a notebook opens."""
    try:
        project = load(server.root_dir)
        plans = plan_stages(project, read_pipeline(project))
    except NbshipError as error:
        server.log.warning(f"Kernels start without the notebooks' libraries: {error}")
        return
    modules = {name: None for plan in plans.values() for name in plan.imports}
    shared_fork_server(os.environ, modules=modules)
