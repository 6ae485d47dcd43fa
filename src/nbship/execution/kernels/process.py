"""An ordinary kernel, in its own process, over Jupyter's protocol: for other kernelspecs and systems that cannot fork."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from queue import Empty
from typing import Any

from ...errors import DeadKernelError
from ...pipeline.inspection import PYTHON
from .. import reads
from ..reads import ReadPolicy
from .client import private_settings
from .guard import Guard, limit_memory, usage
from .outputs import Outputs
from .protocol import KernelEnded, KernelReport, KernelTimeoutError, Reply, describe_exit

__all__ = ["ProcessKernel"]

_STARTUP_SECONDS, _EXIT_SECONDS, _POLL_SECONDS = 120.0, 5.0, 1.0
# These run in the kernel before the first and after the last cell, in their own namespace; they leave no trace in the
# notebook. The second waits for the notebook's threads, as Python does on exit.
_WATCH = """
import importlib, json, sys, types
package = sys.modules["_nbship_reads"] = types.ModuleType("_nbship_reads")
package.__path__ = [MODULES]
package.watched = importlib.import_module("_nbship_reads.watch").install(json.loads(POLICY), FOLDER)
"""
_PROBE = """
import json, os, resource, sys, threading
try:
    threading._shutdown()
except Exception:
    pass
loaded = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
watching = sys.modules.get("_nbship_reads")
found = {
    "modules": {name: file for name, file in loaded.items() if isinstance(name, str) and isinstance(file, str)},
    "reads": watching.watched.found() if watching else None,
    "cpu": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
    "peak": max(own.ru_maxrss, children.ru_maxrss) * (1 if sys.platform == "darwin" else 1024),
}
with open(PATH, "w", encoding="utf-8") as file:
    json.dump(found, file)
"""


class ProcessKernel:
    """A kernel started from a kernelspec.

    Parameters
    ----------
    folder
        The notebook's private folder, for sockets and settings.
    name
        Name of an installed kernelspec; None: this interpreter's ipykernel.
    memory
        The memory limit in bytes, where the system can limit another process.
    policy
        The files that a notebook in Python may read; None: no limit.
    stopped
        Returns whether the run was interrupted; the kernel then ends within a second.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        memory: int | None = None,
        policy: ReadPolicy | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder, self._native = folder, name is None
        self._memory, self._policy, self._stopped = memory, policy, stopped
        self._guard: Guard | None = None
        self._manager = _manager(folder, name)
        self._client: Any = None

    def start(self, *, cwd: Path, env: Mapping[str, str]) -> dict[str, Any]:
        """Start the process, wait until it is ready, and return `language_info` for the notebook's metadata.

        Raises
        ------
        DeadKernelError
            If the kernel ends or does not respond.
        """
        settings = private_settings(self._folder)
        if not self._native:
            settings.pop("MPLBACKEND")
        log = (self._folder / "log").open("wb")
        with log:
            self._manager.start_kernel(cwd=str(cwd), env={**env, **settings}, stdout=log, stderr=subprocess.STDOUT)
        limit_memory(self._manager.provisioner.pid, self._memory)
        if group := getattr(self._manager.provisioner, "pgid", None):
            self._guard = Guard()
            self._guard.watch([group])
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=_STARTUP_SECONDS)
        except RuntimeError as error:
            last_line = "".join(
                (self._folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            )
            raise DeadKernelError(
                f"The kernel '{self._manager.kernel_name}' did not start: {error}. {last_line} Try it with `jupyter console`."
            ) from error
        self._client.allow_stdin = False
        reply = self._client.kernel_info(reply=True, timeout=_STARTUP_SECONDS)
        language: dict[str, Any] = reply["content"]["language_info"]
        self._is_python = language.get("name") == PYTHON
        if self._is_python and self._policy:
            policy = json.dumps(asdict(self._policy))
            self._run_silently(
                _WATCH, MODULES=str(Path(reads.__file__).parent), POLICY=policy, FOLDER=str(self._folder)
            )
        return language

    def _run_silently(self, code: str, **names: str) -> None:
        code = f"__import__('builtins').exec({code!r}, {names!r})"
        with contextlib.suppress(TimeoutError, RuntimeError, Empty):
            self._client.execute(code, silent=True, store_history=False, reply=True, timeout=_EXIT_SECONDS)

    def run(self, code: str, *, id: str, outputs: Outputs, until: float | None) -> Reply:
        """Run a cell; see `Kernel.run`."""
        for content in outputs.take_replies():
            self._client.shell_channel.send(self._client.session.msg("comm_msg", content))
        self._request = self._client.execute(code, store_history=True, allow_stdin=False, stop_on_error=False)
        return self._wait_for_reply(outputs, until)

    def interrupt(self, outputs: Outputs, *, until: float) -> None:
        """Interrupt the running cell, and collect its output until then."""
        self._manager.interrupt_kernel()
        self._wait_for_reply(outputs, until)

    def _wait_for_reply(self, outputs: Outputs, until: float | None) -> Reply:
        while True:
            message = self._next_message(until)
            if message is None:
                if (status := self._manager.provisioner.process.poll()) is not None:
                    self._drain(outputs)
                    raise KernelEnded(describe_exit(status), status=status)
                continue
            if self._handle(message, outputs):
                break
        reply = self._read_reply(until)["content"]
        status = "ok" if reply["status"] == "ok" else "error"
        error = {key: str(reply.get(key, "")) for key in ("ename", "evalue")} if status == "error" else {}
        exited = any(
            each.get("source") == "ask_exit" and not each.get("keepkernel") for each in reply.get("payload") or ()
        )
        return Reply(status, reply.get("execution_count"), **error, exited=exited)

    def _read_reply(self, until: float | None) -> dict[str, Any]:
        while True:
            left = _POLL_SECONDS if until is None else max(0.1, until - time.monotonic())
            try:
                reply: dict[str, Any] = self._client.get_shell_msg(timeout=left)
            except Empty:
                if (status := self._manager.provisioner.process.poll()) is not None:
                    raise KernelEnded(describe_exit(status), status=status) from None
                if until is not None:
                    raise KernelTimeoutError from None
                continue
            if reply["parent_header"].get("msg_id") == self._request:
                return reply

    def _next_message(self, until: float | None) -> dict[str, Any] | None:
        if self._stopped():
            raise KernelEnded("was stopped")
        left = _POLL_SECONDS if until is None else until - time.monotonic()
        if left <= 0:
            raise KernelTimeoutError
        with contextlib.suppress(Empty):
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=min(left, _POLL_SECONDS))
            return message
        return None

    def _handle(self, message: Mapping[str, Any], outputs: Outputs) -> bool:
        """Handle a message; return whether it reports the end of the cell."""
        parent, kind, content = message["parent_header"].get("msg_id", ""), message["msg_type"], message["content"]
        if kind == "status":
            return bool(content["execution_state"] == "idle" and parent == self._request)
        outputs.message(kind, content, buffers=message.get("buffers") or ())
        return False

    def _drain(self, outputs: Outputs) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._handle(self._client.get_iopub_msg(timeout=0.3), outputs)

    def end(self) -> KernelReport:
        """Ask the process to exit, and return what it loaded and used."""
        path = self._folder / "report.json"
        if self._is_python:
            self._run_silently(_PROBE, PATH=str(path))
        cpu, peak = (None, None) if self._is_python else usage(self._manager.provisioner.pid)
        self._manager.shutdown_wait_time = _EXIT_SECONDS
        self._shut_down(now=False)
        if path.is_file():
            return KernelReport(**json.loads(path.read_bytes()))
        # Kernels of other languages load no Python modules, and nbship reads the names of files in their code.
        return KernelReport() if self._is_python else KernelReport(modules={}, reads=(), cpu=cpu, peak=peak)

    def stop(self) -> KernelReport:
        """Kill the process and its children."""
        self._shut_down(now=True)
        return KernelReport()

    def _shut_down(self, *, now: bool) -> None:
        group = getattr(self._manager.provisioner, "pgid", None)
        if self._manager.has_kernel:
            with contextlib.suppress(RuntimeError, ProcessLookupError):
                self._manager.shutdown_kernel(now=now)
        if group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def close(self) -> None:
        """End the process if it still runs, and close the connection."""
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
        # Installed kernelspecs are ignored: `python3` must be this interpreter's ipykernel.
        specs.kernel_dirs = []
    manager = KernelManager(
        kernel_name=name or "python3",
        kernel_spec_manager=specs,
        connection_file=str(folder / "kernel.json"),
        context=zmq.Context(),
    )
    if sys.platform != "win32" and len(str(folder)) < 80:  # the path of a socket is limited to about 100 characters
        manager.transport = "ipc"
        manager.ip = str(folder / "s")
    return manager
