"""The kernel that a notebook asks for, and whether it is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["is_installed", "kernel_language", "kernel_name", "missing_kernel"]

# Languages of kernels by the start of their names, for notebooks that do not name their language.
_LANGUAGES = {
    "python": "python",
    "ir": "R",
    "xr": "R",
    "julia": "julia",
    "bash": "bash",
    "xeus-sql": "SQL",
    "xsql": "SQL",
}

# How to install the usual kernel of a language.
_INSTALL = {
    "r": "In R, run `install.packages('IRkernel')` and `IRkernel::installspec()`.",
    "julia": 'In Julia, run `using Pkg; Pkg.add("IJulia")`.',
    "bash": "Run `pip install bash_kernel` and `python -m bash_kernel.install`.",
    "sql": "Run `conda install -c conda-forge xeus-sql`.",
}


def kernel_name(notebook: Mapping[str, Any]) -> str:
    """Return the name of the kernel that a notebook asks for; empty if it names none.

    >>> kernel_name({"metadata": {"kernelspec": {"name": "ir", "language": "R"}}})
    'ir'
    """
    metadata = notebook.get("metadata") or {}
    return str((metadata.get("kernelspec") or {}).get("name") or "")


def kernel_language(name: str) -> str:
    """Return the language of a kernel by its name, or as it is installed; empty if it is not known.

    >>> kernel_language("julia-1.10"), kernel_language("ir"), kernel_language("no-such-kernel")
    ('julia', 'R', '')
    """
    for start, language in _LANGUAGES.items():
        if re.fullmatch(rf"{start}([-_.\d].*)?", name):
            return language
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        return str(KernelSpecManager().get_kernel_spec(name).language)
    except (NoSuchKernel, ValueError):
        return ""


def is_installed(name: str) -> bool:
    """Tell whether a kernelspec of that name is installed.

    >>> is_installed("python3"), is_installed("no-such-kernel")
    (True, False)
    """
    from jupyter_client.kernelspec import KernelSpecManager

    return name in KernelSpecManager().find_kernel_specs()


def missing_kernel(name: str, language: str) -> str:
    """Return a message that a kernel is not installed, with how to install it or another kernel to use."""
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager().get_all_specs().items()
    others = sorted(other for other, each in specs if each["spec"].get("language", "").lower() == language.lower())
    if others:
        remedy = f"Choose '{others[0]}', an installed kernel for {language}, in the notebook."
    else:
        remedy = _INSTALL.get(language.lower(), f"Install a Jupyter kernel for {language}.")
    return f"The kernel '{name}' is not installed. {remedy}"
