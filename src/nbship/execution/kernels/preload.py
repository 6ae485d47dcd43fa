"""The fork server's imports: ipykernel and the libraries of the notebooks.

An early import must have no effect that a notebook could notice. Two kinds of libraries are left to the notebooks:
those that start a thread, because forks do not have it, and those that print, because the text belongs to the
notebook's outputs.
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

__all__ = ["forget_project", "import_ipykernel", "import_libraries", "read_config"]

_CONFIG_VARIABLE = "NBSHIP_PARENT_ORDER"
# ipykernel, and the modules that an IPython shell imports when it is created.
_IPYKERNEL = (
    *("IPython", "ipykernel.ipkernel", "IPython.extensions.storemagic", "bdb", "asyncio"),
    *("IPython.core.application", "IPython.core.completerlib", "IPython.core.logger", "IPython.core.oinspect"),
)


def read_config() -> dict[str, Any]:
    """Read the configuration from the first line of standard input, or from the process that `_restart` replaced."""
    config: dict[str, Any] = json.loads(_read_line(int(os.environ.pop(_CONFIG_VARIABLE, "0"))))
    return config


def import_ipykernel() -> None:
    """Import the modules that every notebook needs."""
    with _captured_output():
        for name in _IPYKERNEL:
            importlib.import_module(name)


def import_libraries(config: dict[str, Any], file: int) -> None:
    """Import the `modules` of the configuration; they may arrive on the next line of `file`.

    An import cannot be undone. Example: of numpy, `noisy` and pandas, `noisy` prints. The process replaces itself by
    a new one with `left: ["noisy"]`, which imports numpy and pandas only.
    """
    if "modules" not in config:
        config |= json.loads(_read_line(file))
    for name in config["modules"]:
        if any(name == other or name.startswith(f"{other}.") for other in config["left"]):
            continue
        with _captured_output() as size, contextlib.suppress(Exception):
            importlib.import_module(name)
        if _threads() > 1 or size():
            config["left"].append(name)
            _restart(config)


def _read_line(file: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(file, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return bytes(line)


def _restart(config: Mapping[str, Any]) -> None:
    """Replace this process by a new one that starts from `config`."""
    reader, writer = os.pipe()
    os.write(writer, json.dumps(config).encode() + b"\n")
    os.close(writer)
    os.environ[_CONFIG_VARIABLE] = str(reader)
    os.set_inheritable(reader, True)
    os.execv(sys.executable, [sys.executable, "-m", "nbship.execution.kernels.forkserver"])


@contextlib.contextmanager
def _captured_output() -> Iterator[Any]:
    """Capture standard output and error; the yielded function returns the number of bytes written."""
    originals = [os.dup(1), os.dup(2)]
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
            for number, copy in enumerate(originals, start=1):
                os.dup2(copy, number)
                os.close(copy)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def forget_project(folder: str | None) -> None:
    """Remove the project's modules from `sys.modules`, so that each notebook imports them itself.

    Objects that libraries hold remain valid.

    Parameters
    ----------
    folder
        The project's folder; None: remove all modules outside Python and installed libraries.
    """
    paths = sysconfig.get_paths()
    libraries = tuple({f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or file.startswith(libraries) or name == "__main__":
            continue
        if folder is None or os.path.realpath(file).startswith(os.path.join(folder, "")):  # noqa: PTH118
            del sys.modules[name]
