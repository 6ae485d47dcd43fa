"""The files that make a package an MLflow model: `MLmodel`, and the prediction code of nbship as `runtime.zip`.

MLflow adds the archive to the import path and imports the loader from it, so neither nbship nor the project need be
installed. Python writes no .pyc files for modules of an archive, which would change the package. The name of the
loader contains a digest of its code, so that packages of several versions of nbship can be loaded in one process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..canonical_zip import write_zip
from .vendored import runtime_files

__all__ = ["RUNTIME", "mlflow_files"]

RUNTIME = "runtime.zip"


def mlflow_files(code: Mapping[str, bytes], *, backend: str, python: str) -> dict[str, bytes]:
    """Return the files that MLflow needs.

    Parameters
    ----------
    code
        Path below `code/` -> source.
    backend
        "tables", "nodes", "onnx" or "sklearn".
    python
        The version of Python, such as "3.11".
    """
    runtime = runtime_files(code, backend=backend)
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
