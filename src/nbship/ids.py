"""Random numbers for ids: drawn without a system call each, and not by the seed that a notebook sets."""

from __future__ import annotations

import os
import random

__all__ = ["random_bits"]

_GENERATOR = random.Random()
if hasattr(os, "register_at_fork"):
    # A forked process must not draw what its parent draws.
    os.register_at_fork(after_in_child=_GENERATOR.seed)


def random_bits(count: int) -> int:
    """Return a number of so many random bits; it tells two ids apart, and keeps no secret.

    >>> 0 <= random_bits(8) < 256
    True
    """
    return _GENERATOR.getrandbits(count)
