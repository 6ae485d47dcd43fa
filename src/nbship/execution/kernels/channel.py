"""The channel from a notebook's process to its run: frames, preceded by the text that was printed before them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...atomic_write import publish
from . import framing
from .streams import Streams

__all__ = ["MAX_OUTPUT", "Channel", "pipe_session"]

# The size limit of one output; the receiver would cut longer ones anyway.
MAX_OUTPUT = 25_000_000


class Channel:
    """Sends frames, and before each the marks in the two pipes of printed text.

    Parameters
    ----------
    folder
        Where processes that the notebook forked leave their frames. They cannot send them: one that is killed while
        it writes would leave half a frame.
    """

    def __init__(self, frames: int, streams: Streams, nonce: bytes, folder: Path) -> None:
        self._frames, self.streams, self._nonce, self._folder = frames, streams, nonce, folder
        self._count, self._owner = 0, os.getpid()
        self._lock = threading.RLock()

    def send(self, kind: str, content: Any) -> None:
        self.send_encoded(json.dumps({"kind": kind, "content": _printable(content)}).encode())

    def end_cell(self, content: Any) -> None:
        """Send everything that the cell left behind, and the reply."""
        self.streams.flush_all()
        for path in sorted(self._folder.glob("*.frame")):
            document, buffers = framing.decode(bytearray(path.read_bytes())) or ({}, [])
            self.send_encoded(json.dumps(document).encode(), buffers)
            path.unlink()
        self.send("done", content)

    def send_encoded(self, document: bytes, buffers: Sequence[bytes] = ()) -> None:
        if os.getpid() != self._owner:
            self._leave(framing.encode(document, buffers))
            return
        self.streams.flush_replaced()
        with self._lock, _uninterrupted():
            self.streams.flush()
            self._count += 1
            for pipe in self.streams.pipes:
                framing.write(pipe, framing.mark(self._nonce, self._count))
            framing.write(self._frames, framing.encode(document, buffers))

    def _leave(self, frame: bytes) -> None:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{time.time_ns()}-{os.getpid()}"
        path.write_bytes(frame)
        publish(path, path.with_suffix(".frame"))


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


def pipe_session() -> Any:
    """Return a session whose kernel sends through a channel instead of sockets."""
    from jupyter_client.session import Session

    class PipeSession(Session):
        """Passes the kernel's messages to the channel."""

        channel: Channel | None = None

        def send(
            self,
            stream: Any,
            msg_or_type: Any,
            content: Any = None,
            parent: Any = None,
            ident: Any = None,
            buffers: Any = None,
            track: bool = False,
            header: Any = None,
            metadata: Any = None,
        ) -> Any:
            message = msg_or_type
            if isinstance(message, str):
                message = self.msg(message, content=content, parent=parent, header=header, metadata=metadata)
            if self.channel is None:
                return message
            buffers = [bytes(buffer) for buffer in buffers or message.get("buffers") or ()]
            frame = {"kind": message["msg_type"], "content": message["content"]}
            try:
                document = self.pack(frame)
            except UnicodeEncodeError:
                document = self.pack(_printable(frame))
            if len(document) + sum(map(len, buffers)) > MAX_OUTPUT:
                document, buffers = self.pack(_too_large(frame, len(document))), []
            self.channel.send_encoded(document, buffers)
            return message

    return PipeSession(key=b"")


def _printable(value: Any) -> Any:
    """Return a value with lone surrogates in strings written as escapes, as in printed text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(inner) for key, inner in value.items()}
    return list(map(_printable, value)) if isinstance(value, list | tuple) else value


def _too_large(frame: dict[str, Any], size: int) -> dict[str, Any]:
    content = frame["content"]
    note = f"[nbship cut an output of {size:,} characters here]"
    if "data" in content:
        content = {**content, "data": {"text/plain": note}, "metadata": {}}
    elif "traceback" in content:
        content = {"ename": content["ename"], "evalue": note, "traceback": [note]}
    return {**frame, "content": content}
