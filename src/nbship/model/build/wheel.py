"""A package as a wheel whose only dependencies are third-party libraries.

It holds the package as one archive, and the prediction code of nbship under a private name. nbship and the project
need not be installed, and do not conflict with the wheel if they are. Equal packages give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from ...atomic_write import write_whole
from ...errors import PackageError
from ..canonical_zip import write_zip
from ..package import (
    ARCHIVE,
    MANIFEST,
    PINNED_LIBRARIES,
    Manifest,
    Provenance,
    backend_of,
    distributions_in,
    read_files,
)
from .vendored import runtime_files

__all__ = ["build_wheel", "module_name", "wheel_bytes", "wheel_name"]

_RUNTIME = "_runtime"
# The wheel requires the same minor version of these, which can change the outputs of a model.
_PINNED = {library for libraries in PINNED_LIBRARIES.values() for library in libraries}


def build_wheel(package: Path | str, folder: Path | str) -> Path:
    """Verify the package in a folder, write its wheel, and return the path of the wheel.

    Raises
    ------
    PackageError
        If there is no package, a file differs from the manifest, or its code needs a module that nbship does not have.
    """
    manifest, files = read_files(Path(package))
    raw = {MANIFEST: (Path(package) / MANIFEST).read_bytes(), **files}
    name, version = module_name(manifest.name), _version(manifest)
    code = {path.removeprefix("code/"): content for path, content in files.items() if path.startswith("code/")}
    runtime = runtime_files(code, backend=backend_of(files))
    provenance = Provenance.from_json(json.loads(files["provenance.json"]))
    entries = {
        f"{name}/__init__.py": _init(manifest).encode(),
        f"{name}/{ARCHIVE}": write_zip(raw),
        **{f"{name}/{_RUNTIME}/{path}": content for path, content in sorted(runtime.items())},
        f"{name}/py.typed": b"",
    }
    info = f"{name}-{version}.dist-info"
    needed = distributions_in({**runtime, **code}) | set(
        re.findall(r"^[\w-]+", files["requirements.txt"].decode(), re.M)
    )
    entries[f"{info}/METADATA"] = _metadata(manifest, version, provenance, needed=needed, card=files["MODEL_CARD.md"])
    target = Path(folder) / wheel_name(manifest)
    write_whole(target, wheel_bytes(info, entries))
    return target


def wheel_bytes(info: str, entries: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a pure wheel; the files include `METADATA` in the folder `info`."""
    whole = dict(entries)
    whole[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: nbship\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    whole[f"{info}/RECORD"] = _record(whole, f"{info}/RECORD")
    return write_zip(whole, compressed=True)


def module_name(model: str) -> str:
    """Return the import name of the wheel of a model.

    >>> module_name("credit risk-2")
    'credit_risk_2_model'
    """
    plain = re.sub(r"\W+", "_", model.lower(), flags=re.ASCII).strip("_")
    return f"{plain}_model" if plain and not plain[0].isdigit() else f"model_{plain}_model"


def wheel_name(manifest: Manifest) -> str:
    """Return the file name of the wheel of a package."""
    return f"{module_name(manifest.name)}-{_version(manifest)}-py3-none-any.whl"


def _version(manifest: Manifest) -> str:
    # A local version of digits alone is an integer, and loses leading zeros: 0+012345678901 would become
    # 0+12345678901. Add digits until there is a letter.
    length = next(n for n in range(12, 65) if n == 64 or not manifest.digest[:n].isdigit())
    return f"0+{manifest.digest[:length]}"


def _init(manifest: Manifest) -> str:
    return f'''"""The model '{manifest.name}', version {manifest.version}."""

from functools import cache as _cache
from pathlib import Path as _Path

__all__ = ["__version__", "load", "predict", "signature"]
__version__ = "{manifest.version}"


@_cache
def load():
    """Verify and load the model; later calls return the same object."""
    from .{_RUNTIME} import predictor

    return predictor.load(_Path(__file__).with_name("{ARCHIVE}"))


def predict(rows):
    """Predict for a DataFrame or a list of records; returns a DataFrame with a column for each output."""
    frame = load().predict(rows).to_frame()
    return frame.set_axis(rows.index) if hasattr(rows, "index") and hasattr(rows, "columns") else frame


def __getattr__(name):
    if name == "signature":
        return load().signature
    raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
'''


def _metadata(manifest: Manifest, version: str, provenance: Provenance, *, needed: set[str], card: bytes) -> bytes:
    libraries = provenance.libraries
    missing = sorted(needed - libraries.keys())
    if missing:
        raise PackageError(f"The package does not name the version of its dependency '{missing[0]}'. Build it again.")
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {module_name(manifest.name)}",
        f"Version: {version}",
        f"Summary: The model '{manifest.name}', ready to predict",
        f"Requires-Python: =={libraries['python']}.*",
        *(f"Requires-Dist: {name}{_range(name, libraries[name])}" for name in sorted(needed)),
        "Description-Content-Type: text/markdown",
        "",
        "",
    ]
    return "\n".join(lines).encode() + card


def _range(name: str, version: str) -> str:
    major, minor = version.split(".")[:2]
    return f"=={major}.{minor}.*" if name in _PINNED else f">={major}.{minor},<{int(major) + 1}"


def _record(entries: Mapping[str, bytes], own: str) -> bytes:
    lines = []
    for path, content in entries.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{own},,", ""]).encode()
