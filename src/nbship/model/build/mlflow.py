"""What makes a package an MLflow model: `MLmodel`, and the predicting part of nbship as `runtime.zip`.

MLflow puts the archive on the import path, and imports its loader from there: neither nbship nor the project need
be installed. Imported from an archive, modules leave no compiled files in the package. The loader is named by its
content, so that packages of several versions of nbship live in one process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..canonical_zip import write_zip
from .vendored import runtime_files

__all__ = ["RUNTIME", "mlflow_files"]

RUNTIME = "runtime.zip"


def mlflow_files(code: Mapping[str, bytes], *, path: str, python: str) -> dict[str, bytes]:
    """Return the package's files that MLflow needs.

    Parameters
    ----------
    code
        Path below `code/` -> source.
    path
        How the package answers: "tables", "onnx" or "sklearn".
    python
        The version of Python, as in "3.11".
    """
    runtime = runtime_files(code, path=path)
    digest = hashlib.sha256(write_zip(dict(sorted(runtime.items())))).hexdigest()
    top = f"nbship_runtime_{digest[:12]}"
    described = f"""flavors:
  python_function:
    code: {RUNTIME}
    data: .
    env:
      virtualenv: requirements.txt
    loader_module: {top}.predictor
    python_version: '{python}'
"""
    entries = {f"{top}/{path}": content for path, content in sorted(runtime.items())}
    return {"MLmodel": described.encode(), RUNTIME: write_zip(entries, compressed=True)}
