"""A kernel of this interpreter: started, asked, and gone with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DeadKernelError

__all__ = ["Kernel"]

_STARTUP_SECONDS = 120
# Runs in the kernel after the last cell, in a namespace of its own, and is not recorded in the notebook.
_PROBE = """
import json, os, resource, sys
loaded = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
found = {
    "modules": {name: file for name, file in loaded.items() if isinstance(name, str) and isinstance(file, str)},
    "cpu": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
    "peak": max(own.ru_maxrss, children.ru_maxrss) * (1 if sys.platform == "darwin" else 1024),
}
with open(PATH, "w") as file:
    json.dump(found, file)
"""


class Kernel:
    """An ipykernel process.

    Parameters
    ----------
    folder
        A folder of its own, for sockets and for settings that shadow those in the home folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._group: int | None = None
        self.manager = _manager(folder)
        self.client: Any = None

    async def start(self, *, cwd: Path, env: Mapping[str, str]) -> None:
        """Start the process and wait until it answers.

        Raises
        ------
        DeadKernelError
            If it ends or does not answer.
        """
        await self.manager.start_kernel(cwd=str(cwd), env={**env, **self._private_settings()})
        self._group = self.manager.provisioner.pgid
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            await self.client.wait_for_ready(timeout=_STARTUP_SECONDS)
        except RuntimeError as error:
            raise DeadKernelError(
                f"The kernel of '{sys.executable}' did not start: {error}. Try `python -m ipykernel_launcher` there."
            ) from error
        self.client.allow_stdin = False

    async def language(self) -> dict[str, Any]:
        """Return what a notebook's metadata say about the kernel's language."""
        reply = await self.client.kernel_info(reply=True, timeout=_STARTUP_SECONDS)
        told: dict[str, Any] = reply["content"]["language_info"]
        return told

    async def ending(self) -> str:
        """Say how the process ended."""
        status = await self.manager.provisioner.poll()
        if status is None:
            return "stopped answering"
        if status >= 0:
            return f"ended with exit status {status}"
        name = signal.Signals(-status).name
        return f"was killed by {name}" + (" (memory may have run out)" if name == "SIGKILL" else "")

    async def account(self) -> dict[str, Any]:
        """Return loaded `modules`, seconds of `cpu` and `peak` memory in bytes; leaves no trace in the notebook."""
        path = self._folder / "account.json"
        code = f"__import__('builtins').exec({_PROBE!r}, {{'PATH': {str(path)!r}}})"
        await self.client.execute(code, silent=True, store_history=False, reply=True, timeout=_STARTUP_SECONDS)
        found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        return found

    async def stop(self) -> None:
        """End the process, and what it has started."""
        if self.client is not None:
            self.client.stop_channels()
        if self.manager.has_kernel:
            with contextlib.suppress(RuntimeError, ProcessLookupError):
                await self.manager.shutdown_kernel(now=True)
        if self._group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)

    def _private_settings(self) -> dict[str, str]:
        style = self._folder / "matplotlibrc"
        style.write_text("svg.hashsalt: nbship\n")
        return {"IPYTHONDIR": str(self._folder / "ipython"), "MATPLOTLIBRC": str(style)}


def _manager(folder: Path) -> Any:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    # No installed kernel is asked: the native one is this interpreter's ipykernel.
    specs = KernelSpecManager()
    specs.kernel_dirs = []
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=specs, connection_file=str(folder / "kernel.json")
    )
    if sys.platform != "win32" and len(str(folder)) < 80:  # a socket's path has room for about 100 characters
        manager.transport = "ipc"
        manager.ip = str(folder / "s")
    return manager
