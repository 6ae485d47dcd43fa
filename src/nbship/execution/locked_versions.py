"""Hold what is installed against what is locked: the locked versions are what a stage is recorded with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata

from ..errors import StageError

__all__ = ["refuse_other_versions"]


def refuse_other_versions(stage: str, libraries: Iterable[str], *, locked: Mapping[str, str]) -> None:
    """Refuse a stage that would run on other versions of its libraries than the lock file names.

    Parameters
    ----------
    libraries
        The stage's distributions; one that is not installed is left to the import that needs it.
    locked
        Distribution -> version; where the lock file has one for each Python, all of them, with spaces between.

    Raises
    ------
    StageError
        For the first that differs.
    """
    for name in libraries:
        installed = _installed(name)
        if installed and name in locked and installed not in locked[name].split():
            raise StageError(
                f"Stage '{stage}' is recorded with {name} {locked[name]}, as the lock file says, and {installed} is installed. "
                "Install the locked versions: `uv sync` (or `make install`)."
            )


@lru_cache(maxsize=1024)
def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
