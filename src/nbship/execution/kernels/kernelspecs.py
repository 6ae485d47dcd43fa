"""Which installed kernelspecs are this interpreter's own kernel."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

__all__ = ["is_own", "is_this_python"]


def is_own(name: str) -> bool:
    """Tell whether the kernelspec `name` starts ipykernel with this interpreter, and no settings of its own.

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
    """Tell whether a kernel's command names this interpreter."""
    # As Jupyter reads a kernelspec, a bare `python` is the interpreter that Jupyter runs in.
    if re.fullmatch(r"python(\d+(\.\d+)?)?", program):
        return True
    # An environment's interpreter is a link to the one that it was made with, so links are not followed.
    found = Path(shutil.which(program) or program)
    return found.parent.resolve() / found.name == Path(sys.executable).parent.resolve() / Path(sys.executable).name
