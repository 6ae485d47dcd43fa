"""The DVC versions whose formats nbship was tested with."""

from __future__ import annotations

from importlib import metadata

__all__ = ["TESTED", "version_problem"]

# The oldest and the newest minor version; `tests/execution/test_dvc_files.py` compares byte for byte with the installed one.
TESTED = ((3, 67), (3, 67))


def version_problem() -> str | None:
    """Return a warning about the installed DVC; None if it was tested."""
    tested = " to ".join(dict.fromkeys(".".join(map(str, version)) for version in TESTED))
    try:
        installed = metadata.version("dvc")
    except metadata.PackageNotFoundError:
        return f"DVC is not installed. Install it: `pip install 'nbship[project]'` (tested with {tested})."
    number = tuple(int(part) for part in installed.split(".")[:2])
    if TESTED[0] <= number <= TESTED[1]:
        return None
    return (
        f"DVC {installed} is installed, but nbship writes the lock file and cache of DVC {tested}. "
        f"Check that `dvc status` is clean after `nbship run`, or install DVC {tested}."
    )
