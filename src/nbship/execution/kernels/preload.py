"""What the warm parent imports: ipykernel, and the libraries that notebooks will want.

A library that is imported early must leave no trace but itself. One that starts a thread, which a fork would
not have, or says something, which belongs to the notebook that imports it, is left to the notebooks.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["first_order", "forget_project", "import_ipykernel", "import_libraries"]

_ORDER = "NBSHIP_PARENT_ORDER"
# ipykernel, and what an IPython shell imports when it is made.
_IPYKERNEL = (
    *("IPython", "ipykernel.ipkernel", "IPython.extensions.storemagic", "bdb", "asyncio"),
    *("IPython.core.application", "IPython.core.completerlib", "IPython.core.logger", "IPython.core.oinspect"),
)


def first_order() -> dict[str, Any]:
    """Read the first line of standard input, or what this process knew before it began anew."""
    order: dict[str, Any] = json.loads(_line(int(os.environ.pop(_ORDER, "0"))))
    return order


def import_ipykernel() -> None:
    """Import what every notebook needs."""
    with _overheard():
        for name in _IPYKERNEL:
            importlib.import_module(name)


def import_libraries(order: dict[str, Any], file: int) -> None:
    """Import the `modules` of the order, which comes on the next line of `file` if it is not there yet.

    This process begins anew, without the one that stood out, if a module starts a thread or says something.
    """
    if "modules" not in order:
        order |= json.loads(_line(file))
    for name in order["modules"]:
        if any(name == other or name.startswith(f"{other}.") for other in order["left"]):
            continue
        with _overheard() as said, contextlib.suppress(Exception):
            importlib.import_module(name)
        if _threads() > 1 or said():
            order["left"].append(name)
            _begin_anew(order)


def _line(file: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(file, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return bytes(line)


def _begin_anew(order: Mapping[str, Any]) -> None:
    """Replace this process by a clean one that does not import what stood out."""
    reader, writer = os.pipe()
    os.write(writer, json.dumps(order).encode() + b"\n")
    os.close(writer)
    os.environ[_ORDER] = str(reader)
    os.set_inheritable(reader, True)
    os.execv(sys.executable, [sys.executable, "-m", "nbship.execution.kernels.forkserver"])


@contextlib.contextmanager
def _overheard() -> Iterator[Any]:
    """Catch what is written to standard output and error; calling the yielded value tells whether anything was."""
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        size = [0]
        try:
            yield lambda: size[0]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            size[0] = os.fstat(file.fileno()).st_size
            for number, copy in enumerate(kept, start=1):
                os.dup2(copy, number)
                os.close(copy)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def forget_project(own: str | None) -> None:
    """Forget modules of the project, so that every notebook imports its own.

    What is in use here goes on working; only the names are gone.

    Parameters
    ----------
    own
        The project's folder; None: every module counts that comes neither with Python nor with a library.
    """
    paths = sysconfig.get_paths()
    libraries = tuple({f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or file.startswith(libraries) or name == "__main__":
            continue
        if own is None or os.path.realpath(file).startswith(os.path.join(own, "")):  # noqa: PTH118
            del sys.modules[name]
