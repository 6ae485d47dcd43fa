"""Read the files of a package: whatever a parser raises for damaged bytes, the package is corrupt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from ..errors import CorruptPackageError, PackageError, VersionMismatchError
from ..text import one_line

__all__ = ["read_json", "reading"]

T = TypeVar("T")


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Raise `CorruptPackageError` for an exception inside the block that is not a `PackageError`; it names the path.

    Raises
    ------
    VersionMismatchError
        If code in the file imports a library that is not installed: the bytes are right.
    """
    # zipfile, NumPy, pyarrow, skops and ONNX Runtime raise any exception for damaged bytes, MemoryError among them.
    try:
        yield
    except PackageError:
        raise
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        raise VersionMismatchError(
            f"'{path}' needs '{library}', which is not installed. Install it, or build the package again.",
            library=library,
        ) from error
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise CorruptPackageError(f"'{path}' cannot be read: {reason.rstrip('.')}. Build the package again.") from error


def read_json(data: bytes, kind: type[T], *, path: str) -> T:
    """Return a JSON file as a value of a type, usually a dataclass; unknown keys are ignored.

    Raises
    ------
    CorruptPackageError
        If the bytes are not JSON, or do not have this type; the message names the path.
    """
    with reading(path):
        return msgspec.convert(json.loads(data), kind)
