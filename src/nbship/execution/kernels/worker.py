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
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ..reads import UndeclaredReadError, Watch, install, watch_native_reads
from .channel import MAX_OUTPUT, Channel, pipe_session
from .streams import Streams

__all__ = ["prepare", "refresh", "run_cells"]


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
    channel = kernel.session.channel = Channel(
        frames, Streams(out, err), request["nonce"].encode(), Path(request["folder"], "frames")
    )
    _set_up_shell(kernel.shell, request["folder"])
    _complete_streams_first(kernel.shell, channel.streams)
    loaded = set(sys.modules)
    watch = _watch(request)
    _run_loop(kernel, channel, requests, watch)
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


def _run_loop(kernel: Any, channel: Channel, requests: int, watch: Watch | None) -> None:
    """Serve requests in an event loop, even if a cell stops the loop, as `exit()` does."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    serving = loop.create_task(_serve(kernel, channel, requests, watch))
    serving.add_done_callback(lambda _: loop.stop())
    while not serving.done():
        loop.run_forever()
    serving.result()


def _set_up_shell(shell: Any, folder: str) -> None:
    """Replace the folders and arguments that the shell took from the fork server."""
    from ipykernel.kernelapp import IPKernelApp

    # There are no sockets to connect to, but libraries ask for the name of this file.
    connection = Path(folder, "kernel.json")
    connection.write_text("{}", encoding="utf-8")
    IPKernelApp.instance().connection_file = str(connection)
    sys.argv = [_launcher_path(), "-f", str(connection)]
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _pass_breakpoint
    # Setting the value this way creates no folders, which would take milliseconds; magics create them when needed.
    shell.profile_dir._trait_values["location"] = os.path.join(folder, "ipython", "profile_default")  # noqa: PTH118
    shell.starting_dir = os.getcwd()  # noqa: PTH109
    shell.user_ns["_dh"][:] = [Path.cwd()]


def _complete_streams_first(shell: Any, streams: Streams) -> None:
    """Let IPython show a value or an error also in a cell that replaced `sys.stdout` by an object without `flush`."""
    for owner, name in ((shell, "_showtraceback"), (shell.displayhook, "finish_displayhook")):
        setattr(owner, name, partial(_call_in_order, streams.complete, getattr(owner, name)))


def _call_in_order(first: Callable[[], None], function: Callable[..., Any], *values: Any) -> Any:
    first()
    return function(*values)


def _pass_breakpoint(*_: object, **__: object) -> None:
    """Pass over `breakpoint()`, as ipykernel does unless a debugger is connected."""


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


async def _serve(kernel: Any, channel: Channel, requests: int, watch: Watch | None) -> None:
    """Handle requests one by one; the notebook's asyncio tasks run in between."""
    from tornado.ioloop import IOLoop

    reader = asyncio.StreamReader(limit=2**31)
    loop = asyncio.get_running_loop()
    kernel.io_loop = IOLoop.current()
    # ipykernel cancels an interrupted coroutine from a signal handler; Tornado's method would not wake the loop.
    kernel.io_loop.add_callback = lambda function, *values, **options: loop.call_soon_threadsafe(
        partial(function, *values, **options)
    )
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


async def _run_cell(kernel: Any, channel: Channel, request: Mapping[str, Any], watch: Watch | None) -> None:
    parent = {"header": {"msg_id": request["id"]}, "content": {}, "metadata": {"cellId": request["id"]}}
    kernel.set_parent([], parent)
    kernel.shell.set_parent(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    channel.streams.complete()
    try:
        reply = await kernel.do_execute(request["code"], silent=False, store_history=True, cell_id=request["id"])
        if watch and reply["status"] == "ok":
            reply = _check_reads(kernel, watch) or reply
    except KeyboardInterrupt:
        kernel.shell.showtraceback()
        reply = {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""}
    except Exception as error:  # of IPython itself
        reply = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        channel.send("error", {**reply, "traceback": traceback.format_exception(error)})
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel.shell.exit_now = False  # the run ends this process
    reply_content = {key: str(reply[key])[:MAX_OUTPUT] for key in ("status", "ename", "evalue") if key in reply}
    exited = any(each["source"] == "ask_exit" and not each["keepkernel"] for each in reply.get("payload", ()))
    channel.end_cell({**reply_content, "execution_count": kernel.shell.execution_count - 1, "exited": exited})


def _check_reads(kernel: Any, watch: Watch) -> Mapping[str, str] | None:
    """Show an error if the cell read a file that the stage does not declare, and return it."""
    try:
        watch.check()
    except UndeclaredReadError as error:
        kernel.shell.showtraceback((type(error), error, None))
        return {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
    return None


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
    kernel: Any = CellsKernel.instance(config=config, session=pipe_session(), log=log, user_ns=None)
    del sys.modules["debugpy"], sys.modules["ipykernel.debugger"]
    kernel.shell_channel_thread = _MainThread()
    kernel.shell.extension_manager.load_extension("storemagic")
    application: Any = IPKernelApp.instance()
    application.kernel = kernel  # magics and libraries get the kernel from the application
    application.init_pdb()
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
    _set_original_folder(os.getcwd())  # noqa: PTH109
    import tempfile

    tempfile.tempdir = None
    gc.enable()


def _set_original_folder(folder: str) -> None:
    """Set where spawned processes look for modules that are beside the notebook.

    A spawned process replaces the empty entry of `sys.path` by the working directory at the time `multiprocessing` was
    imported, which is that of the fork server. `multiprocess` (of pathos) and `billiard` (of Celery) are copies of it.
    """
    for library in ("multiprocessing", "multiprocess", "billiard"):
        if module := sys.modules.get(f"{library}.process"):
            cast(Any, module).ORIGINAL_DIR = folder


def _reseed() -> None:
    """Reseed the random number generators, which all forks share."""
    seed = int.from_bytes(os.urandom(4), "big")
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy" in sys.modules and hasattr(sys.modules["numpy"], "random"):
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
