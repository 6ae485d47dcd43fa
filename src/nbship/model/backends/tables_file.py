"""Compiled tables as a file: `tables.npz`, arrays of numbers and one JSON description; the same tables give the same bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import CorruptPackageError
from ..canonical_zip import write_zip
from .averages import Blend, Calibration, Member
from .lookup_tables import Input, Tables

__all__ = ["dump_tables", "load_tables"]

FORMAT = 1
_LARGEST = 1 << 30
_ARRAYS = ("base", "leaves", "values", "outputs", "weights", "centres", "additions")


def dump_tables(tables: Tables | Blend, about: Mapping[str, Any]) -> bytes:
    """Return the bytes of `tables.npz`; `about` is kept with them, as JSON."""
    arrays, described = _dumped(tables)
    described |= {"format": FORMAT, "about": about}
    arrays["described"] = np.frombuffer(json.dumps(described, sort_keys=True).encode(), dtype=np.uint8)
    entries = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        entries[f"{name}.npy"] = buffer.getvalue()
    return write_zip(entries, compressed=True)


def _dumped(tables: Tables | Blend) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays, and what is said of them."""
    arrays: dict[str, Any] = {}
    if isinstance(tables, Blend):
        members = []
        for place, member in enumerate(tables.members):
            inner, described = _dumped(member.tables)
            described["weight"] = member.weight
            if (curves := member.calibration) is not None:
                kept = {"kind": curves.kind, "places": list(curves.places), "classes": curves.classes}
                described["calibration"] = kept
                inner |= {f"curve{number}": curve for number, curve in enumerate(curves.curves)}
            members.append(described)
            arrays |= {f"{place}.{name}": array for name, array in inner.items()}
        return arrays, {"members": members}
    arrays |= {name: getattr(tables, name) for name in _ARRAYS if getattr(tables, name) is not None}
    arrays |= {f"cuts{place}": each.cuts for place, each in enumerate(tables.inputs) if each.cuts is not None}
    inputs = [{"name": each.name, "text": each.text, "known": list(each.known)} for each in tables.inputs]
    return arrays, {"inputs": inputs, "link": tables.link, "divisor": tables.divisor}


def load_tables(data: bytes) -> tuple[Tables | Blend, Mapping[str, Any]]:
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
        return _loaded(arrays, described), described["about"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise CorruptPackageError(f"'tables.npz' cannot be read: {error}. Make the package again.") from error


def _loaded(arrays: Mapping[str, Any], described: Mapping[str, Any]) -> Tables | Blend:
    if "members" in described:
        return Blend(tuple(_member(arrays, place, each) for place, each in enumerate(described["members"])))
    inputs = tuple(
        Input(each["name"], each["text"], tuple(each["known"]), arrays.get(f"cuts{place}"))
        for place, each in enumerate(described["inputs"])
    )
    kept = {name: arrays[name] for name in _ARRAYS if name in arrays}
    return Tables(inputs, link=described["link"], divisor=described["divisor"], **kept)


def _member(arrays: Mapping[str, Any], place: int, described: Mapping[str, Any]) -> Member:
    inner = {name.removeprefix(f"{place}."): array for name, array in arrays.items() if name.startswith(f"{place}.")}
    calibration = None
    if (kept := described.get("calibration")) is not None:
        curves = tuple(inner[f"curve{number}"] for number in range(len(kept["places"])))
        calibration = Calibration(kept["kind"], tuple(kept["places"]), curves, kept["classes"])
    return Member(_loaded(inner, described), calibration, described["weight"])
