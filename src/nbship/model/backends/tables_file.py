"""Compiled models as a file, `tables.npz` or `nodes.npz`: numeric arrays and a JSON description.

Equal models give equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import CorruptPackageError
from ..arrays_file import dump_arrays, load_arrays
from .averages import Blend, Calibration, Member
from .lookup_tables import Input, Tables
from .nodes import Nodes

__all__ = ["dump_tables", "load_tables"]

FORMAT = 1
_ARRAYS = ("base", "leaves", "values", "outputs", "weights", "centres", "additions")
_NODES = ("sizes", "columns", "thresholds", "leaves", "values", "outputs", "base")


def dump_tables(tables: Tables | Nodes | Blend, about: Mapping[str, Any]) -> bytes:
    """Return the bytes of the file; `about` is stored with the model, as JSON."""
    arrays, described = _dumped(tables)
    return dump_arrays(arrays, {**described, "format": FORMAT, "about": about})


def _dumped(tables: Tables | Nodes | Blend) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays and their description."""
    arrays: dict[str, Any] = {}
    if isinstance(tables, Blend):
        members = []
        for index, member in enumerate(tables.members):
            inner, described = _dumped(member.tables)
            described["weight"] = member.weight
            if (curves := member.calibration) is not None:
                described["calibration"] = {
                    "kind": curves.kind,
                    "places": list(curves.class_indices),
                    "classes": curves.classes,
                }
                inner |= {f"curve{number}": curve for number, curve in enumerate(curves.curves)}
            members.append(described)
            arrays |= {f"{index}.{name}": array for name, array in inner.items()}
        return arrays, {"members": members}
    if isinstance(tables, Nodes):
        arrays |= {name: getattr(tables, name) for name in _NODES}
        arrays["is_leaf"] = np.packbits(tables.is_leaf)
        # Most ranks are one more than the rank before, so that their differences compress to almost nothing.
        arrays |= {
            f"ranks{index}": np.diff(each, axis=0, prepend=np.zeros((1, each.shape[1]), each.dtype))
            for index, each in enumerate(tables.ranks)
        }
    else:
        arrays |= {name: getattr(tables, name) for name in _ARRAYS if getattr(tables, name) is not None}
    arrays |= {f"cuts{index}": each.cuts for index, each in enumerate(tables.inputs) if each.cuts is not None}
    inputs = [{"name": each.name, "text": each.is_string, "known": list(each.known)} for each in tables.inputs]
    return arrays, {"inputs": inputs, "link": tables.link, "divisor": tables.divisor}


def load_tables(data: bytes, *, path: str) -> tuple[Tables | Nodes | Blend, Mapping[str, Any]]:
    """Read the bytes of the file; `path` is its name in the package.

    Raises
    ------
    CorruptPackageError
        If the bytes are not such a file.
    """
    arrays, described = load_arrays(data, path=path, version=FORMAT)
    try:
        return _loaded(arrays, described), described["about"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise CorruptPackageError(f"'{path}' cannot be read: {error}. Build the package again.") from error


def _loaded(arrays: Mapping[str, Any], described: Mapping[str, Any]) -> Tables | Nodes | Blend:
    if "members" in described:
        return Blend(tuple(_member(arrays, index, each) for index, each in enumerate(described["members"])))
    inputs = tuple(
        Input(each["name"], each["text"], tuple(each["known"]), arrays.get(f"cuts{index}"))
        for index, each in enumerate(described["inputs"])
    )
    if "is_leaf" in arrays:
        stored = {name: arrays[name] for name in _NODES}
        is_leaf = np.unpackbits(arrays["is_leaf"], count=int(stored["sizes"].sum())).astype(bool)
        ranks = tuple(np.cumsum(arrays[f"ranks{index}"], axis=0, dtype=np.int64) for index in range(len(inputs)))
        nodes = Nodes(inputs, ranks, is_leaf=is_leaf, link=described["link"], divisor=described["divisor"], **stored)
        nodes.check()
        return nodes
    stored = {name: arrays[name] for name in _ARRAYS if name in arrays}
    return Tables(inputs, link=described["link"], divisor=described["divisor"], **stored)


def _member(arrays: Mapping[str, Any], index: int, described: Mapping[str, Any]) -> Member:
    inner = {name.removeprefix(f"{index}."): array for name, array in arrays.items() if name.startswith(f"{index}.")}
    calibration = None
    if (stored := described.get("calibration")) is not None:
        curves = tuple(inner[f"curve{number}"] for number in range(len(stored["places"])))
        calibration = Calibration(stored["kind"], tuple(stored["places"]), curves, stored["classes"])
    return Member(_loaded(inner, described), calibration, described["weight"])
