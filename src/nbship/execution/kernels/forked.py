"""A kernel forked from the fork server: cells go in through a pipe, printed text and frames come out."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import DeadKernelError
from ..reads import ReadPolicy
from . import framing
from .client import ADDRESS_VARIABLE, ForkServer, private_settings
from .outputs import Outputs
from .protocol import KernelEnded, KernelReport, KernelTimeoutError, Reply, describe_exit

__all__ = ["ForkedKernel"]

_CHUNK = 1 << 16
_STARTUP_SECONDS, _EXIT_SECONDS = 60.0, 5.0


class ForkedKernel:
    """A kernel forked from `fork_server`.

    Parameters
    ----------
    folder
        The notebook's private folder.
    memory
        The memory limit of the process, in bytes; None: no limit.
    policy
        The files that the notebook may read; None: no limit.
    """

    def __init__(
        self,
        fork_server: ForkServer,
        folder: Path,
        *,
        memory: int | None = None,
        policy: ReadPolicy | None = None,
    ) -> None:
        self._fork_server, self._folder, self._memory, self._policy = fork_server, folder, memory, policy
        self._files: list[int] = []
        self._received = bytearray()
        self._waiting_frame: tuple[dict[str, Any], list[bytes]] | None = None
        self._handled = 0
        self._frames_closed = False

    def start(self, *, cwd: Path, env: Mapping[str, str]) -> dict[str, Any]:
        """Fork, and return `language_info` for the notebook's metadata.

        Raises
        ------
        DeadKernelError
            If the kernel ends, or is not ready in time.
        """
        nonce = secrets.token_hex(8)
        pipes = [os.pipe() for _ in range(4)]
        (request_reader, self._requests), *output_pipes = pipes
        self._frames, out, err = (reader for reader, _ in output_pipes)
        self._files = [self._requests, self._frames, out, err]
        request = {
            "kind": "cells",
            "cwd": str(cwd),
            "environ": {**env, **private_settings(self._folder), ADDRESS_VARIABLE: self._fork_server.address},
            "folder": str(self._folder),
            "memory": self._memory,
            "nonce": nonce,
            "policy": asdict(self._policy) if self._policy else None,
        }
        child_ends = [request_reader, *(writer for _, writer in output_pipes)]
        try:
            self._child = self._fork_server.fork(request, child_ends)
        finally:
            for file in child_ends:
                os.close(file)
        for file in (self._frames, out, err):
            os.set_blocking(file, False)
        self._streams = (_MarkedStream("stdout", out, nonce.encode()), _MarkedStream("stderr", err, nonce.encode()))
        printed: list[str] = []
        outputs = Outputs(on_text=lambda _, text: printed.append(text))
        try:
            language: dict[str, Any] = self._read_until_reply(outputs, time.monotonic() + _STARTUP_SECONDS)["language"]
        except KernelEnded as error:
            # The last line of a traceback names the exception.
            reason = "".join(printed).strip().rpartition("\n")[2]
            raise DeadKernelError(f"The kernel {error} before the first cell{reason and f': {reason}'}.") from error
        except KernelTimeoutError as error:
            raise DeadKernelError(f"The kernel was not ready after {_STARTUP_SECONDS:g} s. Run again.") from error
        return language

    def run(self, code: str, *, id: str, outputs: Outputs, until: float | None) -> Reply:
        """Run a cell; see `Kernel.run`."""
        self._send(*({"do": "comm", "content": content} for content in outputs.take_replies()))
        self._send({"do": "cell", "id": id, "code": code})
        return Reply(**self._read_until_reply(outputs, until))

    def interrupt(self, outputs: Outputs, *, until: float) -> None:
        """Interrupt the running cell, and collect its output until then."""
        self._child.signal(signal.SIGINT)
        self._read_until_reply(outputs, until)

    def end(self) -> KernelReport:
        """Ask the process to exit, and return what it loaded and used."""
        try:
            self._send({"do": "end"})
            return KernelReport(**self._read_until_reply(Outputs(), time.monotonic() + _EXIT_SECONDS))
        except (KernelEnded, KernelTimeoutError):
            return self.stop()

    def stop(self) -> KernelReport:
        """Kill the process and its children, and return what they used."""
        self._child.kill()
        exit_info = self._child.wait(_EXIT_SECONDS)
        return KernelReport(cpu=exit_info.cpu, peak=exit_info.peak) if exit_info else KernelReport()

    def close(self) -> None:
        """Close the pipes and the connection."""
        for file in self._files:
            os.close(file)
        if hasattr(self, "_child"):
            self._child.close()

    def _send(self, *documents: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            for document in documents:
                framing.write(self._requests, framing.line(document))

    def _read_until_reply(self, outputs: Outputs, until: float | None) -> dict[str, Any]:
        """Collect text and frames until a frame replies to a request; return its content."""
        self._resume_text(outputs)
        while True:
            if (reply := self._handle_frames(outputs)) is not None:
                return reply
            ready = self._wait(until)
            if self._child.fileno() in ready and (exit_info := self._child.wait(0)):
                # The last frame and the end of the process may arrive together.
                if (reply := self._drain(outputs)) is not None:
                    return reply
                raise KernelEnded(describe_exit(exit_info.status), status=exit_info.status)
            for stream in self._streams:
                if stream.file in ready:
                    outputs.text(stream.name, stream.read())
            if self._frames in ready:
                self._read_frames()

    def _read_frames(self) -> None:
        data = _read(self._frames)
        self._frames_closed = not data
        self._received += data

    def _resume_text(self, outputs: Outputs) -> None:
        for stream in self._streams:
            if stream.marks_passed == self._handled:
                outputs.text(stream.name, stream.text_to_mark())

    def _wait(self, until: float | None) -> set[int]:
        """Return the descriptors that are ready to read.

        Example: the cell prints `a`, displays a figure, prints `b`. The text pipe holds `a`, mark 1, `b`; the pipe of
        frames holds frame 1. At mark 1 the text pipe is not polled until frame 1 is handled, so `b` comes after the
        figure. A frame that arrives first waits for mark 1 in the same way.
        """
        files = [stream.file for stream in self._streams if stream.marks_passed == self._handled and not stream.ended]
        if self._waiting_frame is None and not self._frames_closed:
            files.append(self._frames)
        poll = select.poll()
        for file in (*files, self._child.fileno()):
            poll.register(file, select.POLLIN)
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise KernelTimeoutError
        return {file for file, _ in poll.poll(None if left is None else left * 1000 + 1)}

    def _handle_frames(self, outputs: Outputs) -> dict[str, Any] | None:
        """Handle each frame whose mark both streams have passed; return the content of a reply, if one came."""
        while True:
            if self._waiting_frame is None:
                self._waiting_frame = framing.decode(self._received)
            if self._waiting_frame is None or any(stream.marks_passed <= self._handled for stream in self._streams):
                return None
            (frame, buffers), self._waiting_frame = self._waiting_frame, None
            self._handled += 1
            content: dict[str, Any] = frame["content"]
            if frame["kind"] in ("ready", "done", "ended"):
                return content
            outputs.message(frame["kind"], content, buffers=buffers)
            self._resume_text(outputs)

    def _drain(self, outputs: Outputs) -> dict[str, Any] | None:
        """Collect what was written before the process ended; return the content of a reply, if one came."""
        while True:
            self._read_frames()
            texts = [(stream.name, stream.read()) for stream in self._streams if stream.marks_passed == self._handled]
            for name, text in texts:
                outputs.text(name, text)
            done = self._handled
            if (reply := self._handle_frames(outputs)) is not None:
                return reply
            if self._handled == done and not any(text for _, text in texts):
                return None


class _MarkedStream:
    """A pipe of printed text with marks in it; it is read up to the next mark."""

    def __init__(self, name: str, file: int, nonce: bytes) -> None:
        self.name, self.file, self._nonce = name, file, nonce
        self.marks_passed, self.ended = 0, False
        self._buffer = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> str:
        data = _read(self.file)
        self.ended = not data
        self._buffer += data
        return self.text_to_mark()

    def text_to_mark(self) -> str:
        """Return the buffered text up to the next mark, and pass the mark.

        A record separator (0x1e) may be part of a mark, of a mark that has only half arrived, or of the notebook's
        own output: `ab\\x1e9f3…:000000000001\\x1ecd` gives `ab`, then `cd`; at `ab\\x1e9f3` the rest of the mark is
        awaited; `ab\\x1ecd` is printed text.
        """
        text = []
        while (position := self._buffer.find(b"\x1e")) >= 0:
            text.append(self._buffer[:position])
            mark = framing.mark(self._nonce, self.marks_passed + 1)
            candidate = self._buffer[position : position + framing.MARK_SIZE]
            if candidate == mark:
                self._buffer = self._buffer[position + framing.MARK_SIZE :]
                self.marks_passed += 1
                return self._decoder.decode(b"".join(text))
            if mark.startswith(candidate) and not self.ended:
                self._buffer = self._buffer[position:]
                return self._decoder.decode(b"".join(text))
            text.append(b"\x1e")
            self._buffer = self._buffer[position + 1 :]
        text.append(self._buffer)
        self._buffer = b""
        return self._decoder.decode(b"".join(text))


def _read(file: int) -> bytes:
    try:
        return os.read(file, _CHUNK)
    except BlockingIOError:
        return b""
