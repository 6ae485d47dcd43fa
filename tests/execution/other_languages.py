"""Notebooks and kernels of other languages, for tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .notebooks import notebook


def in_language(language: str, kernel: str, *sources: str, parameters: str | None = None) -> dict[str, Any]:
    content = notebook(*sources, parameters=parameters)
    content["metadata"]["kernelspec"] = {"name": kernel, "display_name": language, "language": language}
    return content


def install_bash(prefix: Path) -> str:
    """Install bash's kernelspec in a folder, and return the value for `JUPYTER_PATH`."""
    return _install(prefix, "bash", "bash", "-m", "bash_kernel")


def install_sql(prefix: Path) -> str:
    """Install the kernelspec `sqlite` of `sql_kernel`, and return the value for `JUPYTER_PATH`."""
    return _install(prefix, "sqlite", "sql", str(Path(__file__).with_name("sql_kernel.py")))


def _install(prefix: Path, name: str, language: str, *command: str) -> str:
    folder = prefix / "kernels" / name
    folder.mkdir(parents=True)
    argv = [sys.executable, *command, "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": language}))
    return str(prefix)


def require_r() -> None:
    """Skip a test if R's kernel is not installed."""
    from jupyter_client.kernelspec import KernelSpecManager

    if "ir" not in KernelSpecManager().find_kernel_specs():
        pytest.skip("R's kernel is not installed: `make r-kernel`.")
