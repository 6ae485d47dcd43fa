"""Compiled tables as a file: `tables.npz`, numeric arrays and a JSON description. Equal tables give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import CorruptPackageError
from ..arrays_file import dump_arrays, load_arrays
from .averages import Blend, Calibration, Member
from .lookup_tables import Input, Tables

__all__ = ["dump_tables", "load_tables"]

FORMAT = 1
_ARRAYS = ("base", "leaves", "values", "outputs", "weights", "centres", "additions")


def dump_tables(tables: Tables | Blend, about: Mapping[str, Any]) -> bytes:
    """Return the bytes of `tables.npz`; `about` is stored with the tables, as JSON."""
    arrays, described = _dumped(tables)
    return dump_arrays(arrays, {**described, "format": FORMAT, "about": about})


def _dumped(tables: Tables | Blend) -> tuple[dict[str, Any], dict[str, Any]]:
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
    arrays |= {name: getattr(tables, name) for name in _ARRAYS if getattr(tables, name) is not None}
    arrays |= {f"cuts{index}": each.cuts for index, each in enumerate(tables.inputs) if each.cuts is not None}
    inputs = [{"name": each.name, "text": each.is_string, "known": list(each.known)} for each in tables.inputs]
    return arrays, {"inputs": inputs, "link": tables.link, "divisor": tables.divisor}


def load_tables(data: bytes) -> tuple[Tables | Blend, Mapping[str, Any]]:
    """Read the bytes of `tables.npz`.

    Raises
    ------
    CorruptPackageError
        If the bytes are not such a file.
    """
    arrays, described = load_arrays(data, path="tables.npz", version=FORMAT)
    try:
        return _loaded(arrays, described), described["about"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptPackageError(f"'tables.npz' cannot be read: {error}. Build the package again.") from error


def _loaded(arrays: Mapping[str, Any], described: Mapping[str, Any]) -> Tables | Blend:
    if "members" in described:
        return Blend(tuple(_member(arrays, index, each) for index, each in enumerate(described["members"])))
    inputs = tuple(
        Input(each["name"], each["text"], tuple(each["known"]), arrays.get(f"cuts{index}"))
        for index, each in enumerate(described["inputs"])
    )
    stored = {name: arrays[name] for name in _ARRAYS if name in arrays}
    return Tables(inputs, link=described["link"], divisor=described["divisor"], **stored)


def _member(arrays: Mapping[str, Any], index: int, described: Mapping[str, Any]) -> Member:
    inner = {name.removeprefix(f"{index}."): array for name, array in arrays.items() if name.startswith(f"{index}.")}
    calibration = None
    if (stored := described.get("calibration")) is not None:
        curves = tuple(inner[f"curve{number}"] for number in range(len(stored["places"])))
        calibration = Calibration(stored["kind"], tuple(stored["places"]), curves, stored["classes"])
    return Member(_loaded(inner, described), calibration, described["weight"])
