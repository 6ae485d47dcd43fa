"""Kernels whose client does not oversleep what they say."""

from __future__ import annotations

from typing import Any

import zmq.asyncio
from jupyter_client import AsyncKernelManager
from jupyter_client.session import Session
from traitlets import default

__all__ = ["WakefulManager"]


class WakefulSession(Session):
    """Sends as jupyter_client does, and looks then for what came meanwhile.

    Its `send` uses a socket behind asyncio's back. If a message comes at that moment, asyncio is never told of it, and
    the client waits until the next one comes, which may be never (jupyter/jupyter_client#1059).
    """

    def send(self, stream: Any, *arguments: Any, **options: Any) -> Any:
        sent = super().send(stream, *arguments, **options)
        if isinstance(stream, zmq.asyncio.Socket):
            stream.get(zmq.EVENTS)  # schedules what is there
        return sent


class WakefulManager(AsyncKernelManager):
    """A kernel manager for nbclient: `NotebookClient(…, kernel_manager_class=WakefulManager)`."""

    @default("session")
    def _wakeful_session(self) -> Session:
        return WakefulSession(parent=self)
