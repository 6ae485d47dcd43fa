"""Warm kernels for every Jupyter client: JupyterLab, nbclient, papermill, consoles.

This is a kernel provisioner of `jupyter_client`, named `nbship`. `nbship lab` sets it in the project's kernelspec;
other clients use it with `JUPYTER_DEFAULT_PROVISIONER_NAME=nbship` in their environment. Kernels of other
interpreters, and kernels that cannot be forked, start as ordinary processes.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from ...errors import DeadKernelError
from .client import ForkedProcess
from .servers import shared_fork_server

__all__ = ["WarmProvisioner", "is_own"]

_LAUNCHER = ["-m", "ipykernel_launcher"]
_SUPPORTED_OPTIONS = {"cwd", "env", "stdin", "stdout", "stderr"}
# Read once, when Python or a library starts: forks have the values of the fork server.
_READ_AT_START = ("PYTHONPATH", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WarmProvisioner(LocalProvisioner):
    """Starts kernels as forks of this process's fork server; they end with this process."""

    process: Any = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork the kernel, or start it as an ordinary process and log the reason."""
        options = self._scrub_kwargs(kwargs)
        reason = _reason_not_to_fork(cmd, options)
        if not reason:
            try:
                self.process = await _fork_in_thread(cmd, options)
            except (DeadKernelError, OSError) as error:
                reason = str(error)
            else:
                self.pid, self.cwd = self.process.pid, options.get("cwd") or Path.cwd()
                return self.connection_info
        self.log.warning(f"The kernel starts as an ordinary process: {reason}")
        return await super().launch_kernel(cmd, **kwargs)


def _reason_not_to_fork(cmd: Sequence[str], options: Mapping[str, Any]) -> str:
    """Return why a kernel cannot be a fork; empty if it can."""
    if not _is_this_python(cmd[0]) or cmd[1:3] != _LAUNCHER:
        return f"its command is '{' '.join(cmd[:3])}', which is not this Python's kernel."
    if unsupported := sorted(key for key in options if key not in _SUPPORTED_OPTIONS):
        return f"a fork does not support the option {', '.join(map(repr, unsupported))}."
    if subprocess.PIPE in (options.get("stdout"), options.get("stderr")):
        return "forks do not support output through a pipe."
    environ = options["env"]
    if changed := [key for key in _READ_AT_START if environ.get(key) != os.environ.get(key)]:
        return f"{', '.join(changed)} differs from this process, where the fork server read it."
    return "" if shared_fork_server(os.environ) else "this system cannot fork."


async def _fork_in_thread(cmd: Sequence[str], options: Mapping[str, Any]) -> _PopenAdapter:
    """Fork a kernel without blocking the event loop: the fork server may still be importing."""
    # A fork of this process inherits the loop with its default executor, but not the executor's threads, and would
    # wait for them forever. So each kernel gets a new thread.
    executor = ThreadPoolExecutor(1, thread_name_prefix="kernel")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, _fork, cmd, options)
    finally:
        executor.shutdown(wait=False)


def _fork(cmd: Sequence[str], options: Mapping[str, Any]) -> _PopenAdapter:
    fork_server = shared_fork_server(os.environ)
    if fork_server is None:
        raise DeadKernelError("There is no fork server.")
    request = {
        "kind": "kernel",
        "arguments": list(cmd[3:]),
        "environ": dict(options["env"]),
        "cwd": str(options.get("cwd") or Path.cwd()),
    }
    with Path(os.devnull).open("wb") as null:
        files = [
            _descriptor(options.get(name), null=null.fileno(), inherited=number)
            for name, number in (("stdout", 1), ("stderr", 2))
        ]
        if options.get("stderr") == subprocess.STDOUT:
            files[1] = files[0]
        return _PopenAdapter(fork_server.fork(request, files))


def _descriptor(option: Any, *, null: int, inherited: int) -> int:
    if option == subprocess.DEVNULL:
        return null
    if option is None or option == subprocess.STDOUT:
        return inherited
    return option if isinstance(option, int) else int(option.fileno())


class _PopenAdapter:
    """A forked process with the interface of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, forked: ForkedProcess) -> None:
        self._forked = forked
        self.pid = forked.pid

    def poll(self) -> int | None:
        exit_info = self._forked.wait(0)
        return None if exit_info is None else exit_info.status

    def wait(self, timeout: float | None = None) -> int | None:
        exit_info = self._forked.wait(timeout)
        if exit_info is None:
            raise subprocess.TimeoutExpired("kernel", timeout or 0)
        self._forked.close()
        return exit_info.status

    def send_signal(self, number: int) -> None:
        self._forked.signal(number)

    def terminate(self) -> None:
        self.send_signal(15)

    def kill(self) -> None:
        self._forked.kill()


def is_own(name: str) -> bool:
    """Return whether the kernelspec `name` starts ipykernel with this interpreter and adds no variables.

    >>> is_own("python3"), is_own("no-such-kernel")
    (True, False)
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        return False
    return _is_this_python(spec.argv[0]) and "ipykernel_launcher" in spec.argv and not spec.env


def _is_this_python(program: str) -> bool:
    """Return whether a kernel's command names this interpreter."""
    # Jupyter replaces a bare `python` in a kernelspec by the interpreter it runs in.
    if re.fullmatch(r"python(\d+(\.\d+)?)?", program):
        return True
    # The interpreter of a virtual environment is a link to the base interpreter, so links are not followed.
    found = Path(shutil.which(program) or program)
    return found.parent.resolve() / found.name == Path(sys.executable).parent.resolve() / Path(sys.executable).name
