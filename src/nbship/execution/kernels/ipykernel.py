"""A complete ipykernel, with its sockets, in a fork of the fork server: for JupyterLab, nbclient and other clients."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["run_kernel"]


def run_kernel(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Run the kernel of `python -m ipykernel_launcher ARGUMENTS` until a client ends it.

    Parameters
    ----------
    request
        `arguments`: the launcher's, such as `["-f", "kernel-1.json"]`.
    files
        Standard output and error, already in place.
    """
    _forget_shell()
    _reload_styles()
    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [(launcher and launcher.origin) or "ipykernel_launcher.py", *request["arguments"]]
    sys.path[:] = [path for path in sys.path if path]  # the application adds the working directory
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    from ipykernel.kernelapp import IPKernelApp

    try:
        IPKernelApp.launch_instance(parent_handle=os.getppid())
    finally:
        _run_exit_functions()


def _forget_shell() -> None:
    """Discard the shell that the fork server created for notebooks without sockets."""
    import ipykernel.ipkernel
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.zmqshell import ZMQInteractiveShell

    IPKernelApp.clear_instance()
    ipykernel.ipkernel.IPythonKernel.clear_instance()
    ZMQInteractiveShell.clear_instance()
    ipykernel.ipkernel._comm_manager = None


def _reload_styles() -> None:
    """Load the user's settings of matplotlib: the fork server loaded those of stages."""
    if matplotlib := sys.modules.get("matplotlib"):
        settings = {key: value for key, value in matplotlib.rc_params().items() if key != "backend"}
        matplotlib.rcParams.update(settings)


def _run_exit_functions() -> None:
    """Wait for threads and run exit functions, as Python does on exit; forks leave by `os._exit`, which skips both."""
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
