"""Kernels: forked from a server that has imported the libraries, or started as ordinary processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .client import ForkServer, find_fork_server
    from .execution import Callbacks, Executed, Failure, Limits, Usage
    from .executor import execute
    from .provisioner import is_own
    from .servers import RunForkServer, shared_fork_server
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Callbacks",
    "Executed",
    "Failure",
    "ForkServer",
    "Limits",
    "RunForkServer",
    "Usage",
    "execute",
    "find_fork_server",
    "is_own",
    "shared_fork_server",
]
