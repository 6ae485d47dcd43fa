"""Kernels for nbclient without the stall of jupyter/jupyter_client#1059."""

from __future__ import annotations

from typing import Any

import zmq.asyncio
from jupyter_client import AsyncKernelManager
from jupyter_client.session import Session
from traitlets import default

__all__ = ["WakefulManager"]


class WakefulSession(Session):
    """Checks a socket for incoming messages after each send.

    `Session.send` bypasses the asyncio socket. If a message arrives meanwhile, asyncio gets no event for it, and
    the client waits until its timeout.
    """

    def send(self, stream: Any, *arguments: Any, **options: Any) -> Any:
        sent = super().send(stream, *arguments, **options)
        if isinstance(stream, zmq.asyncio.Socket):
            stream.get(zmq.EVENTS)  # schedules a read of what has arrived
        return sent


class WakefulManager(AsyncKernelManager):
    """A kernel manager for nbclient: `NotebookClient(…, kernel_manager_class=WakefulManager)`."""

    @default("session")
    def _wakeful_session(self) -> Session:
        return WakefulSession(parent=self)
