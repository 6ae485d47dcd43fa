"""Kernels: forked from a process that has the libraries imported, or started as processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .client import WarmParent, find_parent
    from .executor import Executed, Failure, Limits, Listener, Usage, execute
    from .kernelspecs import is_own
    from .run_server import RunParent
    from .shared import shared_parent
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Executed",
    "Failure",
    "Limits",
    "Listener",
    "RunParent",
    "Usage",
    "WarmParent",
    "execute",
    "find_parent",
    "is_own",
    "shared_parent",
]
