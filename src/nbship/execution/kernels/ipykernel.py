"""A real ipykernel, with its sockets, in a fork of the warm parent: for JupyterLab, nbclient, and other clients."""

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
    """Be the kernel that `python -m ipykernel_launcher ARGUMENTS` would be, until a client ends it.

    Parameters
    ----------
    request
        `arguments`: of the launcher, such as `["-f", "kernel-1.json"]`.
    files
        Standard output and error; they are in place already.
    """
    _forget_shell()
    _read_styles_again()
    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [(launcher and launcher.origin) or "ipykernel_launcher.py", *request["arguments"]]
    sys.path[:] = [path for path in sys.path if path]  # the application puts the working directory where it belongs
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    from ipykernel.kernelapp import IPKernelApp

    try:
        IPKernelApp.launch_instance(parent_handle=os.getppid())
    finally:
        _finish()


def _forget_shell() -> None:
    """Let go of the shell that the parent made for notebooks without sockets."""
    import ipykernel.ipkernel
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.zmqshell import ZMQInteractiveShell

    IPKernelApp.clear_instance()
    ipykernel.ipkernel.IPythonKernel.clear_instance()
    ZMQInteractiveShell.clear_instance()
    ipykernel.ipkernel._comm_manager = None


def _read_styles_again() -> None:
    """Take the user's own settings of matplotlib: those of stages were read in the parent."""
    if matplotlib := sys.modules.get("matplotlib"):
        own = {key: value for key, value in matplotlib.rc_params().items() if key != "backend"}
        matplotlib.rcParams.update(own)


def _finish() -> None:
    """Do what Python does at its end; a fork of the parent never comes to its own."""
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
