"""What a stage read, modules and files, compared with what it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .checks import check_modules, check_reads, read_policy
    from .native import watch_native_reads
    from .policy import ReadPolicy
    from .watch import UndeclaredReadError, Watch, install
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "ReadPolicy",
    "UndeclaredReadError",
    "Watch",
    "check_modules",
    "check_reads",
    "install",
    "read_policy",
    "watch_native_reads",
]
