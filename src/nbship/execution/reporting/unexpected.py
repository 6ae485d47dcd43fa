"""Exceptions that are not nbship's own: one sentence for the user, and the trace in a file."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

__all__ = ["describe_unexpected"]

_LONGEST = 300
_PACKAGE = str(Path(__file__).parents[2]) + os.sep


def describe_unexpected(error: Exception) -> str:
    """Write the trace to a file, and return one sentence about the exception and one about the file.

    Only what is raised by nbship's own code, or by a library with an exception of Python's, is called a bug. Reports of
    the system and of libraries, and what the user's code raises, are not.
    """
    redact = _redactor()
    trace = _write(redact("".join(traceback.format_exception(error))))
    return redact(_sentence(error)) + (f" The trace is in '{trace}'." if trace else "")


def _sentence(error: Exception) -> str:
    kind = type(error)
    if isinstance(error, OSError):
        subject = f": '{error.filename}'" if error.filename else ""
        return f"{error.strerror or error}{subject}. Check the disk and its permissions."
    if isinstance(error, MemoryError):
        return "The memory ran out. End other programs, or use a machine with more memory."
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("nbship"):
        return f"The library '{error.name}' is not installed. Install it in the environment '{sys.prefix}'."
    message = f"{kind.__name__}: {' '.join(str(error).split())[:_LONGEST]}".rstrip(": ").rstrip(".")
    file, line = _nearest_frame(error)
    if file and not file.startswith(_PACKAGE):
        return f"'{file}', line {line}, raised {message}. Correct it there."
    library = kind.__module__.partition(".")[0]
    if library not in ("builtins", "nbship"):
        return f"The library '{library}' reported {message}."
    return f"{message}. This is a bug in nbship: report it with the trace."


def _nearest_frame(error: Exception) -> tuple[str, int]:
    """Return file and line of the innermost frame that is in neither Python nor an installed library."""
    paths = sysconfig.get_paths()
    libraries = tuple({f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        own = frame.filename.startswith(_PACKAGE)
        if own or (Path(frame.filename).is_file() and not frame.filename.startswith(libraries)):
            return frame.filename, frame.lineno or 0
    return "", 0


def _redactor() -> Callable[[str], str]:
    from ...project import find_root, load
    from ..redaction import project_redactor

    with contextlib.suppress(Exception):  # outside a project, or in one that cannot be read
        return project_redactor(load(find_root()), os.environ)
    return str


def _write(trace: str) -> str:
    """Write the trace to a file that only this user can read; return its path, empty if the disk is full."""
    with contextlib.suppress(OSError):
        file, path = tempfile.mkstemp(prefix="nbship-", suffix=".txt")
        with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(trace)
        return path
    return ""
