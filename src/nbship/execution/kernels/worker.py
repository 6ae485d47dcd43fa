"""The notebook's side of an execution: cells run in an IPython shell in this process, a fork of the fork server.

The shell, its display hooks and its magics are ipykernel's. Messages go through a pipe instead of sockets, so no
thread is needed.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ..reads import UndeclaredReadError, Watch, install, watch_native_reads
from . import framing

__all__ = ["prepare", "refresh", "run_cells"]

# The size limit of one output; the receiver would cut longer ones anyway.
_MAX_OUTPUT = 25_000_000


def run_cells(kernel: Any, request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Run the cells of one notebook until its run sends `end`.

    Parameters
    ----------
    kernel
        The kernel that `prepare` created in the fork server.
    request
        `folder` (the notebook's private one), `nonce` and `policy` (the files that it may read).
    files
        Descriptors: requests, frames, standard output, standard error.
    """
    requests, frames, out, err = files
    sys.stdout, sys.stderr = _open_stream(out), _open_stream(err)
    channel = kernel.session.channel = _Channel(frames, (out, err), request["nonce"].encode())
    _set_up_shell(kernel.shell, request["folder"])
    loaded = set(sys.modules)
    watch = _watch(request)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel.io_loop = loop
    loop.run_until_complete(_serve(kernel, channel, requests, watch))
    # Threads of the notebook run until then.
    _run_exit_functions()
    channel.send("ended", {"modules": _new_modules(loaded), "reads": watch.found() if watch else None, **_usage()})


def _watch(request: Mapping[str, Any]) -> Watch | None:
    """Watch the files that this process reads, if the request has a policy."""
    if not request.get("policy"):
        return None
    watch = install(request["policy"], request["folder"])
    watch.native = watch_native_reads(watch.policy.root, allows=watch.policy.allows)
    return watch


def _set_up_shell(shell: Any, folder: str) -> None:
    """Replace the folders and arguments that the shell took from the fork server."""
    sys.argv = [_launcher_path(), "-f", os.path.join(folder, "kernel.json")]  # noqa: PTH118
    # Setting the value this way creates no folders, which would take milliseconds; magics create them when needed.
    shell.profile_dir._trait_values["location"] = os.path.join(folder, "ipython", "profile_default")  # noqa: PTH118
    shell.starting_dir = os.getcwd()  # noqa: PTH109
    shell.user_ns["_dh"][:] = [Path.cwd()]


def _run_exit_functions() -> None:
    """Wait for threads, run exit functions and flush the streams, as Python does on exit."""
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _usage() -> dict[str, float]:
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    return {"cpu": cpu, "peak": max(own.ru_maxrss, others.ru_maxrss) * 1024}


async def _serve(kernel: Any, channel: _Channel, requests: int, watch: Watch | None) -> None:
    """Handle requests one by one; the notebook's asyncio tasks run in between."""
    reader = asyncio.StreamReader(limit=2**31)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(requests, "rb"))
    channel.send("ready", {"language": kernel.language_info})
    while line := await reader.readline():
        request = json.loads(line)
        if request["do"] == "cell":
            await _run_cell(kernel, channel, request, watch)
        elif request["do"] == "comm":
            kernel.comm_manager.comm_msg(None, None, {"content": request["content"], "buffers": [], "metadata": {}})
        elif request["do"] == "end":
            return


async def _run_cell(kernel: Any, channel: _Channel, request: Mapping[str, Any], watch: Watch | None) -> None:
    parent = {"header": {"msg_id": request["id"]}, "content": {}, "metadata": {"cellId": request["id"]}}
    kernel.set_parent([], parent)
    kernel.shell.set_parent(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        reply = await kernel.do_execute(request["code"], silent=False, store_history=True, cell_id=request["id"])
        if watch and reply["status"] == "ok":
            reply = _check_reads(kernel, watch) or reply
    except KeyboardInterrupt:
        kernel.shell.showtraceback()
        reply = {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""}
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    reply_content = {key: str(reply[key])[:_MAX_OUTPUT] for key in ("status", "ename", "evalue") if key in reply}
    channel.send("done", {**reply_content, "execution_count": kernel.shell.execution_count - 1})
    if kernel.shell.exit_now:
        sys.stdout.flush()
        os._exit(0)


def _check_reads(kernel: Any, watch: Watch) -> Mapping[str, str] | None:
    """Show an error if the cell read a file that the stage does not declare, and return it."""
    try:
        watch.check()
    except UndeclaredReadError as error:
        kernel.shell.showtraceback((type(error), error, None))
        return {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
    return None


class _Channel:
    """Sends frames, and before each the marks in the two pipes of printed text."""

    def __init__(self, frames: int, pipes: Sequence[int], nonce: bytes) -> None:
        self._frames, self._pipes, self._nonce = frames, pipes, nonce
        self._streams = (sys.stdout, sys.stderr)
        self._count, self._owner = 0, os.getpid()
        self._lock = threading.RLock()

    def send(self, kind: str, content: Any) -> None:
        self.send_encoded(json.dumps({"kind": kind, "content": content}).encode())

    def send_encoded(self, document: bytes, buffers: Sequence[bytes] = ()) -> None:
        if os.getpid() != self._owner:  # a fork created by the notebook
            return
        with self._lock, _uninterrupted():
            for stream in self._streams:
                stream.flush()
            self._count += 1
            for pipe in self._pipes:
                framing.write(pipe, framing.mark(self._nonce, self._count))
            framing.write(self._frames, framing.encode(document, buffers))


@contextlib.contextmanager
def _uninterrupted() -> Any:
    """Delay an interrupt: half a frame would corrupt all later ones."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _open_stream(file: int) -> Any:
    # Line buffering: a line must be in the pipe before a child process prints the next.
    return open(file, "w", encoding="UTF-8", errors="backslashreplace", buffering=1, closefd=False)


def prepare() -> Any:
    """Create the kernel, in the fork server: ipykernel's, without sockets, with a session that writes to a pipe."""
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp
    from IPython.core.shellapp import InteractiveShellApp
    from traitlets import Type
    from traitlets.config import Config

    class CellsKernel(IPythonKernel):
        """ipykernel's kernel without a debugger: stages are not debugged, and debugpy costs a tenth of a second."""

        debugger_class = Type(object)

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.history_load_length = 0
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    log = logging.getLogger("ipykernel")
    kernel: Any = CellsKernel.instance(config=config, session=_session(), log=log, user_ns=None)
    del sys.modules["debugpy"], sys.modules["ipykernel.debugger"]
    kernel.shell_channel_thread = _MainThread()
    kernel.shell.extension_manager.load_extension("storemagic")
    IPKernelApp.instance().kernel = kernel  # magics and libraries get the kernel from the application
    # The notebook's folder comes after the standard library.
    cast(Any, InteractiveShellApp).init_path(SimpleNamespace(ignore_cwd=False))
    return kernel


class _MainThread:
    """Replaces the thread that reads an ordinary kernel's sockets."""

    parent_thread = threading.main_thread()


def _launcher_path() -> str:
    from importlib.util import find_spec

    spec = find_spec("ipykernel_launcher")
    return spec.origin if spec and spec.origin else "ipykernel_launcher.py"


def _session() -> Any:
    from jupyter_client.session import Session

    class PipeSession(Session):
        """Passes the kernel's messages to the channel."""

        channel: _Channel | None = None

        def send(  # type: ignore[override]
            self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None, **rest: Any
        ) -> Any:
            message = msg_or_type
            if isinstance(message, str):
                message = self.msg(message, content=content, parent=parent, metadata=rest.get("metadata"))
            if self.channel is None:
                return message
            buffers = [bytes(buffer) for buffer in rest.get("buffers") or message.get("buffers") or ()]
            frame = {"kind": message["msg_type"], "content": message["content"]}
            document = self.pack(frame)
            if len(document) + sum(map(len, buffers)) > _MAX_OUTPUT:
                document, buffers = self.pack(_too_large(frame, len(document))), []
            self.channel.send_encoded(document, buffers)
            return message

    return PipeSession(key=b"")


def _too_large(frame: dict[str, Any], size: int) -> dict[str, Any]:
    content = frame["content"]
    note = f"[nbship cut an output of {size:,} characters here]"
    if "data" in content:
        content = {**content, "data": {"text/plain": note}, "metadata": {}}
    elif "traceback" in content:
        content = {"ename": content["ename"], "evalue": note, "traceback": [note]}
    return {**frame, "content": content}


def _new_modules(loaded: set[str]) -> dict[str, str]:
    """Return the files of modules loaded since; inspecting all modules would take longer than a small notebook."""
    new = [name for name in list(sys.modules) if name not in loaded and isinstance(name, str)]
    found = {name: getattr(sys.modules[name], "__file__", None) for name in new}
    return {name: file for name, file in found.items() if isinstance(file, str)}


def refresh(environ: Mapping[str, str], *, cwd: str) -> None:
    """Give a fork the state of a new process: environment, working directory, time zone, random numbers."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    _reseed()
    import tempfile

    tempfile.tempdir = None
    gc.enable()


def _reseed() -> None:
    """Reseed the random number generators, which all forks share."""
    seed = int.from_bytes(os.urandom(4), "big")
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy" in sys.modules and hasattr(sys.modules["numpy"], "random"):
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
