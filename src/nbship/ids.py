"""Random numbers for ids: generated without a system call, and independent of seeds set in notebooks."""

from __future__ import annotations

import os
import random

__all__ = ["random_bits", "random_hex"]

_GENERATOR = random.Random()
if hasattr(os, "register_at_fork"):
    # A forked process must not repeat its parent's numbers.
    os.register_at_fork(after_in_child=_GENERATOR.seed)


def random_bits(count: int) -> int:
    """Return a random integer of `count` bits, for unique ids; not for secrets.

    >>> 0 <= random_bits(8) < 256
    True
    """
    return _GENERATOR.getrandbits(count)


def random_hex(size: int) -> str:
    """Return `size` random bytes as hex digits, for unique ids; not for secrets.

    >>> len(random_hex(16))
    32
    """
    return _GENERATOR.randbytes(size).hex()
