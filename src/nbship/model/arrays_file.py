"""Numeric arrays and a JSON description in one `.npz` file. NumPy alone reads it; equal contents give equal bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import CorruptPackageError
from .canonical_zip import write_zip

__all__ = ["dump_arrays", "load_arrays"]

_LARGEST = 1 << 30
_DESCRIBED = "described"


def dump_arrays(arrays: Mapping[str, Any], described: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file with the arrays and their description."""
    text = json.dumps(described, sort_keys=True).encode()
    entries = {}
    for name, array in {**arrays, _DESCRIBED: np.frombuffer(text, dtype=np.uint8)}.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        entries[f"{name}.npy"] = buffer.getvalue()
    return write_zip(entries, compressed=True)


def load_arrays(data: bytes, *, path: str, version: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of a file and their description, whose `format` must be `version`.

    Raises
    ------
    CorruptPackageError
        If the bytes are not such a file; the message names its path.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > _LARGEST:
                raise ValueError(f"it would unpack to {size / 1e6:,.0f} MB")
        # An object array would be a pickle, which can run any code when it is loaded.
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        described: dict[str, Any] = json.loads(arrays.pop(_DESCRIBED).tobytes())
        if described["format"] != version:
            raise ValueError(f"its format is {described['format']}, not {version}")
    except (ValueError, KeyError, TypeError, OSError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise CorruptPackageError(f"'{path}' cannot be read: {error}. Build the package again.") from error
    return arrays, described
