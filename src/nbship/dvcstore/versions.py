"""The DVC versions whose files are written here as DVC writes them."""

from __future__ import annotations

from importlib import metadata

__all__ = ["TESTED", "version_problem"]

# The oldest and the newest minor version; `tests/execution/test_dvc_files.py` compares byte for byte with the installed one.
TESTED = ((3, 67), (3, 67))


def version_problem() -> str | None:
    """Return what is wrong with the installed DVC; None where it is one that was tested."""
    tested = " to ".join(dict.fromkeys(".".join(map(str, version)) for version in TESTED))
    try:
        installed = metadata.version("dvc")
    except metadata.PackageNotFoundError:
        return f"DVC is not installed. Install it: `pip install 'nbship[project]'` (tested with {tested})."
    number = tuple(int(part) for part in installed.split(".")[:2])
    if TESTED[0] <= number <= TESTED[1]:
        return None
    return (
        f"DVC {installed} is installed, and nbship writes lock file and cache as DVC {tested} does. "
        f"Check that `dvc status` is clean after `nbship run`, or install DVC {tested}."
    )
