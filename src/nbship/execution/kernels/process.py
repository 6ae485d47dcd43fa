"""A kernel that is a process of its own, spoken to over Jupyter's protocol: for other kernels, and where nothing can be forked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

from ...errors import DeadKernelError
from .client import private_settings
from .guard import Guard, limit_memory, usage
from .outputs import Outputs
from .protocol import Account, KernelEnded, KernelTimeoutError, Reply, ending_in_words

__all__ = ["ProcessKernel"]

_STARTUP_SECONDS, _FAREWELL_SECONDS, _TICK = 120.0, 5.0, 1.0
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


class ProcessKernel:
    """A kernel started from a kernelspec.

    Parameters
    ----------
    folder
        A folder of the notebook's own, for sockets and for what is private.
    name
        Name of an installed kernelspec; None: this interpreter's ipykernel.
    memory
        Limit in bytes of its memory, where the system can limit another process.
    stopped
        Whether the run was interrupted: the kernel then ends within a second.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        memory: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder, self._native = folder, name is None
        self._memory, self._stopped = memory, stopped
        self._guard: Guard | None = None
        self._manager = _manager(folder, name)
        self._client: Any = None

    def start(self, *, cwd: Path, env: Mapping[str, str]) -> dict[str, Any]:
        """Start the process, wait until it answers, and return what a notebook's metadata say about its language.

        Raises
        ------
        DeadKernelError
            If it ends or does not answer.
        """
        own = private_settings(self._folder)
        if not self._native:
            own.pop("MPLBACKEND")
        log = (self._folder / "log").open("wb")
        with log:
            self._manager.start_kernel(cwd=str(cwd), env={**env, **own}, stdout=log, stderr=subprocess.STDOUT)
        limit_memory(self._manager.provisioner.pid, self._memory)
        if group := getattr(self._manager.provisioner, "pgid", None):
            self._guard = Guard(group)
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=_STARTUP_SECONDS)
        except RuntimeError as error:
            said = (self._folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
            raise DeadKernelError(
                f"The kernel '{self._manager.kernel_name}' did not start: {error}. {''.join(said)} Try it with `jupyter console`."
            ) from error
        self._client.allow_stdin = False
        reply = self._client.kernel_info(reply=True, timeout=_STARTUP_SECONDS)
        language: dict[str, Any] = reply["content"]["language_info"]
        return language

    def run(self, code: str, *, id: str, outputs: Outputs, until: float | None) -> Reply:
        """Run a cell, as `Kernel.run` says."""
        for content in outputs.take_replies():
            self._client.shell_channel.send(self._client.session.msg("comm_msg", content))
        self._asked = self._client.execute(code, store_history=True, allow_stdin=False, stop_on_error=False)
        return self._answer(outputs, until)

    def interrupt(self, outputs: Outputs, *, until: float) -> None:
        """Interrupt the cell that runs, and take in what it says until then."""
        self._manager.interrupt_kernel()
        self._answer(outputs, until)

    def _answer(self, outputs: Outputs, until: float | None) -> Reply:
        while True:
            message = self._next(until)
            if message is None:
                if (status := self._manager.provisioner.process.poll()) is not None:
                    self._drain(outputs)
                    raise KernelEnded(ending_in_words(status), status=status)
                continue
            if self._handle(message, outputs):
                break
        reply = self._reply(until)["content"]
        status = "ok" if reply["status"] == "ok" else "error"
        said = {key: str(reply.get(key, "")) for key in ("ename", "evalue")}
        return Reply(status, reply.get("execution_count"), **(said if status == "error" else {}))

    def _reply(self, until: float | None) -> dict[str, Any]:
        while True:
            left = _TICK if until is None else max(0.1, until - time.monotonic())
            try:
                reply: dict[str, Any] = self._client.get_shell_msg(timeout=left)
            except Empty:
                if (status := self._manager.provisioner.process.poll()) is not None:
                    raise KernelEnded(ending_in_words(status), status=status) from None
                if until is not None:
                    raise KernelTimeoutError from None
                continue
            if reply["parent_header"].get("msg_id") == self._asked:
                return reply

    def _next(self, until: float | None) -> dict[str, Any] | None:
        if self._stopped():
            raise KernelEnded("was stopped")
        left = _TICK if until is None else until - time.monotonic()
        if left <= 0:
            raise KernelTimeoutError
        with contextlib.suppress(Empty):
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=min(left, _TICK))
            return message
        return None

    def _handle(self, message: Mapping[str, Any], outputs: Outputs) -> bool:
        """Take in a message; tell whether it says that the cell is done."""
        parent, kind, content = message["parent_header"].get("msg_id", ""), message["msg_type"], message["content"]
        if kind == "status":
            return bool(content["execution_state"] == "idle" and parent == self._asked)
        outputs.message(kind, content, buffers=message.get("buffers") or ())
        return False

    def _drain(self, outputs: Outputs) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._handle(self._client.get_iopub_msg(timeout=0.3), outputs)

    def end(self) -> Account:
        """Let the process end by itself, and return what it used."""
        path = self._folder / "account.json"
        if self._native:
            code = f"__import__('builtins').exec({_PROBE!r}, {{'PATH': {str(path)!r}}})"
            with contextlib.suppress(TimeoutError, RuntimeError, Empty):
                self._client.execute(code, silent=True, store_history=False, reply=True, timeout=_FAREWELL_SECONDS)
        cpu, peak = (None, None) if self._native else usage(self._manager.provisioner.pid)
        self._manager.shutdown_wait_time = _FAREWELL_SECONDS
        self._shut_down(now=False)
        if path.is_file():
            return Account(**json.loads(path.read_text()))
        # Kernels of other languages have no modules of Python.
        return Account() if self._native else Account(modules={}, cpu=cpu, peak=peak)

    def stop(self) -> Account:
        """Kill the process and all that it started."""
        self._shut_down(now=True)
        return Account()

    def _shut_down(self, *, now: bool) -> None:
        group = getattr(self._manager.provisioner, "pgid", None)
        if self._manager.has_kernel:
            with contextlib.suppress(RuntimeError, ProcessLookupError):
                self._manager.shutdown_kernel(now=now)
        if group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def close(self) -> None:
        """Let go of everything."""
        self._shut_down(now=True)
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        if self._client is not None:
            self._client.stop_channels()
        self._manager.context.destroy(linger=0)


def _manager(folder: Path, name: str | None) -> Any:
    import zmq
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager

    specs = KernelSpecManager()
    if name is None:
        # No installed kernel is asked: the native one is this interpreter's ipykernel.
        specs.kernel_dirs = []
    manager = KernelManager(
        kernel_name=name or "python3",
        kernel_spec_manager=specs,
        connection_file=str(folder / "kernel.json"),
        context=zmq.Context(),
    )
    if sys.platform != "win32" and len(str(folder)) < 80:  # a socket's path has room for about 100 characters
        manager.transport = "ipc"
        manager.ip = str(folder / "s")
    return manager
