"""The notebook's side of an execution: cells run in an IPython shell of this very process, a fork of the warm parent.

The shell, its display hooks and its magics are those of ipykernel. Only what it would send over
sockets goes into a pipe, and it needs no thread.
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

from . import framing

__all__ = ["prepare", "refresh", "run_cells"]

# What one output may hold; more would only be cut on the other side.
_LARGEST = 25_000_000


def run_cells(kernel: Any, request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Serve one notebook until its run says that there is nothing more.

    Parameters
    ----------
    kernel
        What `prepare` returned in the parent.
    request
        `folder` (the notebook's own, for what is private) and `nonce`.
    files
        Descriptors: requests in, frames out, standard output, standard error.
    """
    requests, frames, out, err = files
    sys.stdout, sys.stderr = _stream(out), _stream(err)
    channel = kernel.session.channel = _Channel(frames, (out, err), request["nonce"].encode())
    _settle_in(kernel.shell, request["folder"])
    loaded = set(sys.modules)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel.io_loop = loop
    loop.run_until_complete(_serve(kernel, channel, requests))
    modules = _modules(loaded)
    _finish()
    channel.send("ended", {"modules": modules, **_usage()})


def _settle_in(shell: Any, folder: str) -> None:
    """Put right what the shell learnt where and when it was made."""
    sys.argv = [_launcher(), "-f", os.path.join(folder, "kernel.json")]  # noqa: PTH118
    # Nothing is made there until a magic asks for it: making all of its folders takes milliseconds.
    shell.profile_dir._trait_values["location"] = os.path.join(folder, "ipython", "profile_default")  # noqa: PTH118
    shell.starting_dir = os.getcwd()  # noqa: PTH109
    shell.user_ns["_dh"][:] = [Path.cwd()]


def _finish() -> None:
    """Do what Python does at its end: wait for threads, run exit functions, close the notebook's files."""
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


async def _serve(kernel: Any, channel: _Channel, requests: int) -> None:
    """Answer one request after the other; tasks that a notebook started go on between them."""
    reader = asyncio.StreamReader(limit=2**31)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(requests, "rb"))
    channel.send("ready", {"language": kernel.language_info})
    while line := await reader.readline():
        asked = json.loads(line)
        if asked["do"] == "cell":
            await _cell(kernel, channel, asked)
        elif asked["do"] == "comm":
            kernel.comm_manager.comm_msg(None, None, {"content": asked["content"], "buffers": [], "metadata": {}})
        elif asked["do"] == "end":
            return


async def _cell(kernel: Any, channel: _Channel, asked: Mapping[str, Any]) -> None:
    parent = {"header": {"msg_id": asked["id"]}, "content": {}, "metadata": {"cellId": asked["id"]}}
    kernel.set_parent([], parent)
    kernel.shell.set_parent(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        reply = await kernel.do_execute(asked["code"], silent=False, store_history=True, cell_id=asked["id"])
    except KeyboardInterrupt:
        kernel.shell.showtraceback()
        reply = {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""}
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    said = {key: str(reply[key])[:_LARGEST] for key in ("status", "ename", "evalue") if key in reply}
    channel.send("done", {**said, "execution_count": kernel.shell.execution_count - 1})
    if kernel.shell.exit_now:
        sys.stdout.flush()
        os._exit(0)


class _Channel:
    """Sends frames, each behind its marks in the two pipes of printed text."""

    def __init__(self, frames: int, pipes: Sequence[int], nonce: bytes) -> None:
        self._frames, self._pipes, self._nonce = frames, pipes, nonce
        self._streams = (sys.stdout, sys.stderr)
        self._count, self._owner = 0, os.getpid()
        self._lock = threading.RLock()

    def send(self, kind: str, content: Any) -> None:
        self.send_encoded(json.dumps({"kind": kind, "content": content}).encode())

    def send_encoded(self, document: bytes, buffers: Sequence[bytes] = ()) -> None:
        if os.getpid() != self._owner:  # a fork that the notebook made
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
    """Hold an interrupt back: half a frame would garble all that follow."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _stream(file: int) -> Any:
    # Each line leaves at once, so that it stands before what a child process prints next.
    return open(file, "w", encoding="UTF-8", errors="backslashreplace", buffering=1, closefd=False)


def prepare() -> Any:
    """Make the kernel, in the parent: ipykernel's own, without sockets, and with a session that writes into a pipe."""
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp
    from IPython.core.shellapp import InteractiveShellApp
    from traitlets import Type
    from traitlets.config import Config

    class CellsKernel(IPythonKernel):
        """ipykernel's, with no debugger: nobody debugs a stage, and debugpy costs a tenth of a second."""

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
    IPKernelApp.instance().kernel = kernel  # magics and libraries ask the application for its kernel
    # The notebook's folder goes behind the standard library.
    cast(Any, InteractiveShellApp).init_path(SimpleNamespace(ignore_cwd=False))
    return kernel


class _MainThread:
    """Stands for the thread that reads the sockets of a kernel, which this one does not have."""

    parent_thread = threading.main_thread()


def _launcher() -> str:
    from importlib.util import find_spec

    spec = find_spec("ipykernel_launcher")
    return spec.origin if spec and spec.origin else "ipykernel_launcher.py"


def _session() -> Any:
    from jupyter_client.session import Session

    class PipeSession(Session):
        """Gives what the kernel publishes to the channel."""

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
            if len(document) + sum(map(len, buffers)) > _LARGEST:
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


def _modules(loaded: set[str]) -> dict[str, str]:
    """Return the files of modules that were loaded since; to look at all would take longer than a small notebook."""
    new = [name for name in list(sys.modules) if name not in loaded and isinstance(name, str)]
    found = {name: getattr(sys.modules[name], "__file__", None) for name in new}
    return {name: file for name, file in found.items() if isinstance(file, str)}


def refresh(environ: Mapping[str, str], *, cwd: str) -> None:
    """Make a fork as good as a process just started: its own environment, folder, random state, modules."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    _reseed()
    import tempfile

    tempfile.tempdir = None
    gc.enable()


def _reseed() -> None:
    """Give the fork random numbers of its own, as every kernel has them."""
    seed = int.from_bytes(os.urandom(4), "big")
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy" in sys.modules and hasattr(sys.modules["numpy"], "random"):
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
