"""Warm kernels for everything that speaks Jupyter's protocol: JupyterLab, nbclient, papermill, consoles.

This is a provisioner as `jupyter_client` knows them, called `nbship`. `nbship lab` makes it that of the project's
kernel; any other client uses it with `JUPYTER_DEFAULT_PROVISIONER_NAME=nbship` in its environment.
What is no kernel of this Python, and what cannot be forked, starts as an ordinary process.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from ...errors import DeadKernelError
from .client import Forked
from .kernelspecs import is_this_python
from .shared import shared_parent

__all__ = ["WarmProvisioner"]

_LAUNCHER = ["-m", "ipykernel_launcher"]
_FOLLOWED = {"cwd", "env", "stdin", "stdout", "stderr"}
# Read when Python or a library starts: a fork has those of its parent.
_READ_AT_START = ("PYTHONPATH", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WarmProvisioner(LocalProvisioner):
    """Starts kernels as forks of this process's warm parent; they end with this process."""

    process: Any = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork the kernel, or start it as an ordinary process; the log says why."""
        options = self._scrub_kwargs(kwargs)
        reason = _why_ordinary(cmd, options)
        if not reason:
            try:
                # The parent may still import: that must not hold up a server.
                self.process = await asyncio.to_thread(_fork, cmd, options)
            except (DeadKernelError, OSError) as error:
                reason = str(error)
            else:
                self.pid, self.cwd = self.process.pid, options.get("cwd") or Path.cwd()
                return self.connection_info
        self.log.warning(f"The kernel starts as an ordinary process: {reason}")
        return await super().launch_kernel(cmd, **kwargs)


def _why_ordinary(cmd: Sequence[str], options: Mapping[str, Any]) -> str:
    """Say why a kernel cannot be a fork; empty if it can."""
    if not is_this_python(cmd[0]) or cmd[1:3] != _LAUNCHER:
        return f"its command is '{' '.join(cmd[:3])}', which is not this Python's kernel."
    if foreign := sorted(key for key in options if key not in _FOLLOWED):
        return f"it is started with {', '.join(map(repr, foreign))}."
    if subprocess.PIPE in (options.get("stdout"), options.get("stderr")):
        return "its output is read through a pipe."
    environ = options["env"]
    if changed := [key for key in _READ_AT_START if environ.get(key) != os.environ.get(key)]:
        return f"{', '.join(changed)} is set for it alone."
    return "" if shared_parent(os.environ) else "this system cannot fork."


def _fork(cmd: Sequence[str], options: Mapping[str, Any]) -> _ForkedProcess:
    parent = shared_parent(os.environ)
    if parent is None:
        raise DeadKernelError("There is no fork server.")
    request = {
        "kind": "kernel",
        "arguments": list(cmd[3:]),
        "environ": dict(options["env"]),
        "cwd": str(options.get("cwd") or Path.cwd()),
    }
    with Path(os.devnull).open("w") as nothing:
        files = [_descriptor(options.get(name), nothing.fileno(), own) for name, own in (("stdout", 1), ("stderr", 2))]
        if options.get("stderr") == subprocess.STDOUT:
            files[1] = files[0]
        return _ForkedProcess(parent.fork(request, files))


def _descriptor(given: Any, nothing: int, own: int) -> int:
    if given == subprocess.DEVNULL:
        return nothing
    if given is None or given == subprocess.STDOUT:
        return own
    return given if isinstance(given, int) else int(given.fileno())


class _ForkedProcess:
    """A fork, as `subprocess.Popen` would show it."""

    stdin = stdout = stderr = None

    def __init__(self, forked: Forked) -> None:
        self._forked = forked
        self.pid = forked.pid

    def poll(self) -> int | None:
        ending = self._forked.wait(0)
        return None if ending is None else ending.status

    def wait(self, timeout: float | None = None) -> int | None:
        ending = self._forked.wait(timeout)
        if ending is None:
            raise subprocess.TimeoutExpired("kernel", timeout or 0)
        self._forked.close()
        return ending.status

    def send_signal(self, number: int) -> None:
        self._forked.signal(number)

    def terminate(self) -> None:
        self.send_signal(15)

    def kill(self) -> None:
        self._forked.kill()
