"""Compiled tables as a file: `tables.npz`, arrays of numbers and one JSON description; the same tables give the same bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import CorruptPackageError
from ..archive import write_zip
from .tables import Input, Tables

__all__ = ["dump_tables", "load_tables"]

FORMAT = 1
_LARGEST = 1 << 30
_ARRAYS = ("base", "leaves", "values", "outputs", "weights", "centres", "additions")


def dump_tables(tables: Tables, about: Mapping[str, Any]) -> bytes:
    """Return the bytes of `tables.npz`; `about` is kept with them, as JSON."""
    inputs = [{"name": each.name, "text": each.text, "known": list(each.known)} for each in tables.inputs]
    described = {"format": FORMAT, "inputs": inputs, "link": tables.link, "divisor": tables.divisor, "about": about}
    arrays = {name: getattr(tables, name) for name in _ARRAYS if getattr(tables, name) is not None}
    arrays |= {f"cuts{place}": each.cuts for place, each in enumerate(tables.inputs) if each.cuts is not None}
    arrays["described"] = np.frombuffer(json.dumps(described, sort_keys=True).encode(), dtype=np.uint8)
    entries = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        entries[f"{name}.npy"] = buffer.getvalue()
    return write_zip(entries, compressed=True)


def load_tables(data: bytes) -> tuple[Tables, Mapping[str, Any]]:
    """Read what `dump_tables` wrote.

    Raises
    ------
    CorruptPackageError
        If it is something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > _LARGEST:
                raise ValueError(f"it would unpack to {size / 1e6:,.0f} MB")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        described = json.loads(arrays.pop("described").tobytes())
        if described["format"] != FORMAT:
            raise ValueError(f"format {described['format']}, and {FORMAT} is known")
        inputs = tuple(
            Input(each["name"], each["text"], tuple(each["known"]), arrays.get(f"cuts{place}"))
            for place, each in enumerate(described["inputs"])
        )
        kept = {name: arrays[name] for name in _ARRAYS if name in arrays}
        return Tables(inputs, link=described["link"], divisor=described["divisor"], **kept), described["about"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptPackageError(f"'tables.npz' cannot be read: {error}. Make the package again.") from error
