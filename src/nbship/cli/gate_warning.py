"""The warning for a package that no gate judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["no_gate", "ungated"]


def no_gate(name: str) -> str:
    """Return the warning.

    >>> no_gate("credit")[:38]
    "Warning: No gate judged model 'credit'"
    """
    return f"Warning: No gate judged model '{name}'. Add a stage with `gate.judge`, and pass its verdict to `build_package`."


def ungated(packages: Mapping[str, Path]) -> Iterator[str]:
    """Yield the names of the packages that were built without a verdict."""
    for name, folder in packages.items():
        try:
            acceptance = json.loads((folder / "acceptance.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(acceptance, dict) and not acceptance.get("verdict"):
            yield name
