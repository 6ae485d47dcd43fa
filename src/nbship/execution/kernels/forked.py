"""A kernel that is a fork of the warm parent: it is sent cells, and its text and frames are read."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import select
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import framing
from .client import PARENT, WarmParent, private_settings
from .outputs import Outputs
from .protocol import Account, KernelEnded, KernelTimeoutError, Reply, ending_in_words

__all__ = ["ForkedKernel"]

_CHUNK = 1 << 16
_STARTUP_SECONDS, _FAREWELL_SECONDS = 60.0, 5.0


class ForkedKernel:
    """A kernel forked from `parent`.

    Parameters
    ----------
    folder
        A folder of the notebook's own, for what is private.
    memory
        Bytes that its process may use; None: no limit.
    """

    def __init__(self, parent: WarmParent, folder: Path, *, memory: int | None = None) -> None:
        self._parent, self._folder, self._memory = parent, folder, memory
        self._files: list[int] = []
        self._received = bytearray()
        self._pending: tuple[dict[str, Any], list[bytes]] | None = None
        self._done = 0
        self._deaf = False

    def start(self, *, cwd: Path, env: Mapping[str, str]) -> dict[str, Any]:
        """Fork, and return what a notebook's metadata say about the language."""
        nonce = secrets.token_hex(8)
        pipes = [os.pipe() for _ in range(4)]
        (theirs, self._requests), *read = pipes
        self._frames, out, err = (reader for reader, _ in read)
        self._files = [self._requests, self._frames, out, err]
        request = {
            "kind": "cells",
            "cwd": str(cwd),
            "environ": {**env, **private_settings(self._folder), PARENT: self._parent.address},
            "folder": str(self._folder),
            "memory": self._memory,
            "nonce": nonce,
        }
        given = [theirs, *(writer for _, writer in read)]
        try:
            self._forked = self._parent.fork(request, given)
        finally:
            for file in given:
                os.close(file)
        for file in (self._frames, out, err):
            os.set_blocking(file, False)
        self._streams = (_Marked("stdout", out, nonce.encode()), _Marked("stderr", err, nonce.encode()))
        language: dict[str, Any] = self._pump(Outputs(), time.monotonic() + _STARTUP_SECONDS)["language"]
        return language

    def run(self, code: str, *, id: str, outputs: Outputs, until: float | None) -> Reply:
        """Run a cell, as `Kernel.run` says."""
        self._send(*({"do": "comm", "content": content} for content in outputs.take_replies()))
        self._send({"do": "cell", "id": id, "code": code})
        return Reply(**self._pump(outputs, until))

    def interrupt(self, outputs: Outputs, *, until: float) -> None:
        """Interrupt the cell that runs, and take in what it says until then."""
        self._forked.signal(signal.SIGINT)
        self._pump(outputs, until)

    def end(self) -> Account:
        """Let the process end by itself, and return what it loaded and used."""
        try:
            self._send({"do": "end"})
            return Account(**self._pump(Outputs(), time.monotonic() + _FAREWELL_SECONDS))
        except (KernelEnded, KernelTimeoutError):
            return self.stop()

    def stop(self) -> Account:
        """Kill the process and all that it started, and return what they used."""
        self._forked.kill()
        ending = self._forked.wait(_FAREWELL_SECONDS)
        return Account(cpu=ending.cpu, peak=ending.peak) if ending else Account()

    def close(self) -> None:
        """Let go of everything."""
        for file in self._files:
            os.close(file)
        if hasattr(self, "_forked"):
            self._forked.close()

    def _send(self, *documents: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            for document in documents:
                framing.write(self._requests, framing.line(document))

    def _pump(self, outputs: Outputs, until: float | None) -> dict[str, Any]:
        """Take in text and frames until one that answers a request; return its content."""
        self._go_on(outputs)
        while True:
            if (answer := self._take(outputs)) is not None:
                return answer
            ready = self._wait(until)
            if self._forked.fileno() in ready and (ending := self._forked.wait(0)):
                # Its last frame may have come together with its end.
                if (answer := self._drain(outputs)) is not None:
                    return answer
                raise KernelEnded(ending_in_words(ending.status), status=ending.status)
            for stream in self._streams:
                if stream.file in ready:
                    outputs.text(stream.name, stream.read())
            if self._frames in ready:
                self._hear()

    def _hear(self) -> None:
        data = _read(self._frames)
        self._deaf = not data
        self._received += data

    def _go_on(self, outputs: Outputs) -> None:
        for stream in self._streams:
            if stream.marks == self._done:
                outputs.text(stream.name, stream.go_on())

    def _wait(self, until: float | None) -> set[int]:
        """Wait for something to read; a stream that came to a mark waits for the frame behind it."""
        files = [stream.file for stream in self._streams if stream.marks == self._done and not stream.ended]
        if self._pending is None and not self._deaf:
            files.append(self._frames)
        poll = select.poll()
        for file in (*files, self._forked.fileno()):
            poll.register(file, select.POLLIN)
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise KernelTimeoutError
        return {file for file, _ in poll.poll(None if left is None else left * 1000 + 1)}

    def _take(self, outputs: Outputs) -> dict[str, Any] | None:
        """Handle frames whose marks are passed in both streams."""
        while True:
            if self._pending is None:
                self._pending = framing.decode(self._received)
            if self._pending is None or any(stream.marks <= self._done for stream in self._streams):
                return None
            (frame, buffers), self._pending = self._pending, None
            self._done += 1
            content: dict[str, Any] = frame["content"]
            if frame["kind"] in ("ready", "done", "ended"):
                return content
            outputs.message(frame["kind"], content, buffers=buffers)
            self._go_on(outputs)

    def _drain(self, outputs: Outputs) -> dict[str, Any] | None:
        """Take in what was written before the process ended; return the frame that answers a request, if one came."""
        while True:
            self._hear()
            texts = [(stream.name, stream.read()) for stream in self._streams if stream.marks == self._done]
            for name, text in texts:
                outputs.text(name, text)
            done = self._done
            if (answer := self._take(outputs)) is not None:
                return answer
            if self._done == done and not any(text for _, text in texts):
                return None


class _Marked:
    """A pipe of text with marks in it; it is read up to the next mark."""

    def __init__(self, name: str, file: int, nonce: bytes) -> None:
        self.name, self.file, self._nonce = name, file, nonce
        self.marks, self.ended = 0, False
        self._held = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> str:
        data = _read(self.file)
        self.ended = not data
        self._held += data
        return self.go_on()

    def go_on(self) -> str:
        """Return the text that is there, up to the next mark, and pass that."""
        found = []
        while (place := self._held.find(b"\x1e")) >= 0:
            found.append(self._held[:place])
            mark = framing.mark(self._nonce, self.marks + 1)
            held = self._held[place : place + framing.MARK_SIZE]
            if held == mark:
                self._held = self._held[place + framing.MARK_SIZE :]
                self.marks += 1
                return self._decoder.decode(b"".join(found))
            if mark.startswith(held) and not self.ended:
                self._held = self._held[place:]
                return self._decoder.decode(b"".join(found))
            found.append(b"\x1e")
            self._held = self._held[place + 1 :]
        found.append(self._held)
        self._held = b""
        return self._decoder.decode(b"".join(found))


def _read(file: int) -> bytes:
    try:
        return os.read(file, _CHUNK)
    except BlockingIOError:
        return b""
