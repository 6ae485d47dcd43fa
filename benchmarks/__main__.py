"""`python -m benchmarks [--full | --quick] [NAME…]`."""

from __future__ import annotations

import importlib
import platform
import sys
from importlib import metadata

NAMES = (
    *("one_row", "batch", "files", "serving", "mixed", "families", "wheel", "commands", "notebooks", "chains"),
    *("drift", "report"),
)
LIBRARIES = ("nbship", "numpy", "pandas", "scikit-learn", "dvc", "ploomber", "papermill")


def main() -> None:
    """Run the named benchmarks, or all: `--full` includes their slowest parts, `--quick` runs fewer rounds."""
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES))
    for name in [name for name in sys.argv[1:] if not name.startswith("-")] or NAMES:
        module = importlib.import_module(f".{name}", __package__)
        print(f"\n## {(module.__doc__ or name).splitlines()[0].rstrip('.')}\n\n{module.run()}", flush=True)


if __name__ == "__main__":
    main()
