"""Numeric arrays and a JSON description in one `.npz` file. NumPy alone reads it; equal contents give equal bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from .canonical_zip import write_zip
from .stored_files import read_json, reading

__all__ = ["dump_arrays", "load_arrays"]

T = TypeVar("T")
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


def load_arrays(data: bytes, kind: type[T], *, path: str, newest: int) -> tuple[dict[str, Any], T]:
    """Return the arrays of a file, and their description as a value of a type; its `format` is 1 to `newest`.

    Raises
    ------
    CorruptPackageError
        If the bytes are not such a file; the message names its path.
    """
    with reading(path):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > _LARGEST:
                raise ValueError(f"it would unpack to {size / 1e6:,.0f} MB")
        # An object array would be a pickle, which can run any code when it is loaded.
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, array in arrays.items():
            # NumPy returns an entry that is no array as bytes.
            if not isinstance(array, np.ndarray):
                raise ValueError(f"its entry '{name}' is not an array")
        text = arrays.pop(_DESCRIBED).tobytes()
        if (found := json.loads(text)["format"]) not in range(1, newest + 1):
            raise ValueError(f"its format is {found}, not {' or '.join(map(str, range(1, newest + 1)))}")
    return arrays, read_json(text, kind, path=path)
