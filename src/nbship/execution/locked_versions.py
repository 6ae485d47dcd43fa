"""Compare installed versions with the lock file, because dvc.lock records the locked ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata

from ..errors import StageError

__all__ = ["check_versions"]


def check_versions(stage: str, libraries: Iterable[str], *, locked: Mapping[str, str]) -> None:
    """Check that the installed versions of a stage's libraries are those of the lock file.

    Parameters
    ----------
    libraries
        The stage's distributions. One that is not installed is ignored; importing it will fail.
    locked
        Distribution -> version, or several versions separated by spaces if they depend on the Python version.

    Raises
    ------
    StageError
        For the first difference.
    """
    for name in libraries:
        installed = _installed(name)
        if installed and name in locked and installed not in locked[name].split():
            raise StageError(
                f"Stage '{stage}' needs {name} {locked[name]} according to the lock file, but {installed} is installed. "
                "Install the locked versions with `uv sync` (or `make install`)."
            )


@lru_cache(maxsize=1024)
def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
