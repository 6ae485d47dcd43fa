"""A package as a wheel that needs nothing but third-party libraries.

It holds the package, in one archive, and the predicting part of nbship under a name of its own, so
that neither nbship nor the project need be installed, nor get in the way where they are. The same
package gives the same bytes.
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
from ..package import ARCHIVE, GUARDED, MANIFEST, Manifest, Provenance, distributions_in, path_in, read_files
from .vendored import runtime_files

__all__ = ["build_wheel", "module_name", "wheel_bytes", "wheel_name"]

_RUNTIME = "_runtime"
# A model's numbers hang on the minor versions of these.
_GUARDED = {library for libraries in GUARDED.values() for library in libraries}


def build_wheel(package: Path | str, folder: Path | str) -> Path:
    """Write the wheel of the package in a folder, verified first, and return its path.

    Raises
    ------
    PackageError
        If there is no package, it is damaged, or its code needs a part of nbship that cannot go along.
    """
    manifest, files = read_files(Path(package))
    raw = {MANIFEST: (Path(package) / MANIFEST).read_bytes(), **files}
    name, version = module_name(manifest.name), _version(manifest)
    code = {path.removeprefix("code/"): content for path, content in files.items() if path.startswith("code/")}
    runtime = runtime_files(code, path=path_in(files))
    provenance = Provenance.from_json(json.loads(files["provenance.json"]))
    entries = {
        f"{name}/__init__.py": _init(manifest).encode(),
        f"{name}/{ARCHIVE}": write_zip(raw),
        **{f"{name}/{_RUNTIME}/{path}": content for path, content in sorted(runtime.items())},
        f"{name}/py.typed": b"",
    }
    info = f"{name}-{version}.dist-info"
    needed = distributions_in({**runtime, **code})
    entries[f"{info}/METADATA"] = _metadata(manifest, version, provenance, needed=needed, card=files["MODEL_CARD.md"])
    target = Path(folder) / wheel_name(manifest)
    write_whole(target, wheel_bytes(info, entries))
    return target


def wheel_bytes(info: str, entries: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a pure wheel with these files, its `METADATA` among them in the folder `info`."""
    whole = dict(entries)
    whole[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: nbship\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    whole[f"{info}/RECORD"] = _record(whole, f"{info}/RECORD")
    return write_zip(whole, compressed=True)


def module_name(model: str) -> str:
    """Return the name under which a model's wheel is imported.

    >>> module_name("credit risk-2")
    'credit_risk_2_model'
    """
    plain = re.sub(r"\W+", "_", model.lower(), flags=re.ASCII).strip("_")
    return f"{plain}_model" if plain and not plain[0].isdigit() else f"model_{plain}_model"


def wheel_name(manifest: Manifest) -> str:
    """Return the file name of a package's wheel."""
    return f"{module_name(manifest.name)}-{_version(manifest)}-py3-none-any.whl"


def _version(manifest: Manifest) -> str:
    # Digits alone would be read as a number, and lose leading zeros: then more digits are taken.
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
    """Load the model, verified first; further calls return the same one."""
    from .{_RUNTIME} import predictor

    return predictor.load(_Path(__file__).with_name("{ARCHIVE}"))


def predict(rows):
    """Predict for a DataFrame or a list of records; returns a DataFrame with a column for each output."""
    answers = load().predict(rows).to_frame()
    return answers.set_axis(rows.index) if hasattr(rows, "index") and hasattr(rows, "columns") else answers


def __getattr__(name):
    if name == "signature":
        return load().signature
    raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
'''


def _metadata(manifest: Manifest, version: str, provenance: Provenance, *, needed: set[str], card: bytes) -> bytes:
    libraries = provenance.libraries
    missing = sorted(needed - libraries.keys())
    if missing:
        raise PackageError(f"The package does not name the version of '{missing[0]}' that it needs. Make it again.")
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
    return f"=={major}.{minor}.*" if name in _GUARDED else f">={major}.{minor},<{int(major) + 1}"


def _record(entries: Mapping[str, bytes], own: str) -> bytes:
    lines = []
    for path, content in entries.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{own},,", ""]).encode()
