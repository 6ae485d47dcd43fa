"""Standard output and error of a notebook, and everything that may still hold text for them.

A notebook can replace `sys.stdout`, wrap its buffer, close or detach it, or point its descriptor elsewhere. None of
this loses text or breaks the protocol, whose marks go to descriptors of their own.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["Streams"]


class Streams:
    """The streams `sys.stdout` and `sys.stderr`, written to the descriptors `out` and `err`.

    Attributes
    ----------
    pipes
        Descriptors of the same two pipes that the notebook does not know.
    """

    def __init__(self, out: int, err: int) -> None:
        self.pipes = (os.dup(out), os.dup(err))
        self._own = (_Stream(out), _Stream(err))
        self._buffers = [stream.lend() for stream in self._own]
        sys.stdout, sys.stderr = self._own
        self._libc = ctypes.CDLL(None)
        self._flushing = False

    def complete(self) -> None:
        """Give `sys.stdout` and `sys.stderr` the methods that IPython calls, if the notebook replaced them."""
        for name, own in zip(("stdout", "stderr"), self._own, strict=True):
            stream = getattr(sys, name)
            if not hasattr(stream, "write"):
                setattr(sys, name, own)
            elif not hasattr(stream, "flush"):
                with contextlib.suppress(Exception):
                    stream.flush = lambda: None

    def flush(self) -> None:
        """Write the text that this process holds in its own streams."""
        for stream in (*self._own, *self._buffers):
            with contextlib.suppress(Exception):  # the notebook may have detached it
                stream.flush()

    def flush_replaced(self) -> None:
        """Write the text in what the notebook put in place of the streams, and in Python's own."""
        if self._flushing:  # the notebook's `flush` displays something
            return
        self._flushing = True
        try:
            for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
                if not isinstance(stream, _Stream):
                    with contextlib.suppress(Exception):
                        stream.flush()  # type: ignore[union-attr]
        finally:
            self._flushing = False

    def flush_all(self) -> None:
        """Write also the text in wrappers of the streams' buffers, and in those of C libraries."""
        self.flush_replaced()
        for wrapper in self._wrappers():
            with contextlib.suppress(Exception):
                wrapper.flush()
        for name in ("stdout", "stderr"):
            with contextlib.suppress(Exception):
                self._libc.fflush(ctypes.c_void_p.in_dll(self._libc, name))
        self.flush()

    def _wrappers(self) -> Iterator[Any]:
        """Yield the wrappers of the buffers that the notebook asked for; most notebooks ask for none."""
        for stream, buffer in zip(self._own, self._buffers, strict=True):
            if stream.lent:
                yield from (each for each in gc.get_referrers(buffer) if isinstance(each, io.TextIOWrapper))


class _Buffer(io.BufferedWriter):
    """Stays open: Python closes it with each wrapper of it that is deleted."""

    def close(self) -> None:
        self.flush()


class _Stream(io.TextIOWrapper):
    """A stream that stays open, and remembers whether its buffer was asked for."""

    def __init__(self, file: int) -> None:
        self.lent = False
        buffer = _Buffer(io.FileIO(file, "w", closefd=False))
        # Line buffering: a line must be in the pipe before a child process prints the next.
        super().__init__(buffer, encoding="UTF-8", errors="backslashreplace", line_buffering=True)

    def lend(self) -> Any:
        return super().buffer

    @property
    def buffer(self) -> Any:
        self.lent = True
        return super().buffer

    def detach(self) -> Any:
        self.lent = True
        return super().detach()

    def close(self) -> None:
        with contextlib.suppress(ValueError):  # detached
            self.flush()
