"""Recognise the installed kernelspecs of this interpreter."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

__all__ = ["is_own", "is_this_python"]


def is_own(name: str) -> bool:
    """Return whether the kernelspec `name` starts ipykernel with this interpreter and adds no variables.

    >>> is_own("python3"), is_own("no-such-kernel")
    (True, False)
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        return False
    return is_this_python(spec.argv[0]) and "ipykernel_launcher" in spec.argv and not spec.env


def is_this_python(program: str) -> bool:
    """Return whether a kernel's command names this interpreter."""
    # Jupyter replaces a bare `python` in a kernelspec by the interpreter it runs in.
    if re.fullmatch(r"python(\d+(\.\d+)?)?", program):
        return True
    # The interpreter of a virtual environment is a link to the base interpreter, so links are not followed.
    found = Path(shutil.which(program) or program)
    return found.parent.resolve() / found.name == Path(sys.executable).parent.resolve() / Path(sys.executable).name
