"""Compiled models as a file, `tables.npz` or `nodes.npz`: numeric arrays and a JSON description.

Equal models give equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays_file import dump_arrays, load_arrays
from ..signature import Scalar
from ..stored_files import reading
from .averages import Blend, Calibration, Member
from .layers import Layer, Layers
from .lookup_tables import Input, Tables
from .nodes import Nodes

__all__ = ["About", "dump_tables", "load_tables"]

# Format 2 is that of models with layers.
FORMAT = 2
_ARRAYS = ("base", "leaves", "values", "outputs", "weights", "centres", "additions")
_NODES = ("sizes", "columns", "thresholds", "leaves", "values", "outputs", "base")


@dataclass(frozen=True)
class About:
    """What is stored beside the scores of a model.

    Attributes
    ----------
    classes
        Of a classifier, in the order of its scores; None for a regression.
    function
        The feature function that computes the inputs, as `module:function`; None if the inputs are the fields.
    """

    classes: tuple[Scalar, ...] | None
    function: str | None


@dataclass(frozen=True)
class _Input:
    name: str
    text: bool
    known: tuple[str, ...]


@dataclass(frozen=True)
class _Calibration:
    kind: str
    places: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class _Layer:
    kind: str
    arrays: int


@dataclass(frozen=True)
class _Described:
    """The description in the file, and of each member of an average."""

    inputs: tuple[_Input, ...] = ()
    link: str = ""
    divisor: float = 0.0
    members: tuple[_Described, ...] = ()
    weight: float = 0.0
    calibration: _Calibration | None = None
    layers: tuple[_Layer, ...] = ()
    about: About | None = None


def dump_tables(tables: Tables | Nodes | Layers | Blend, about: Mapping[str, Any]) -> bytes:
    """Return the bytes of the file; `about` is stored with the model, as JSON."""
    arrays, described = _dumped(tables)
    version = FORMAT if _has_layers(described) else 1
    return dump_arrays(arrays, {**described, "format": version, "about": about})


def _has_layers(described: Mapping[str, Any]) -> bool:
    return "layers" in described or any(map(_has_layers, described.get("members", ())))


def _dumped(tables: Tables | Nodes | Layers | Blend) -> tuple[dict[str, Any], dict[str, Any]]:
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
    elif isinstance(tables, Layers):
        arrays["centres"] = tables.centres
        arrays |= {f"entries{index}": each for index, each in enumerate(tables.entries)}
        arrays |= {f"slopes{index}": each for index, each in enumerate(tables.slopes)}
        for number, layer in enumerate(tables.layers):
            arrays |= {f"layer{number}.{index}": each for index, each in enumerate(layer.arrays)}
    else:
        arrays |= {name: getattr(tables, name) for name in _ARRAYS if getattr(tables, name) is not None}
    arrays |= {f"cuts{index}": each.cuts for index, each in enumerate(tables.inputs) if each.cuts is not None}
    inputs = [{"name": each.name, "text": each.is_string, "known": list(each.known)} for each in tables.inputs]
    described = {"inputs": inputs, "link": tables.link, "divisor": tables.divisor}
    if isinstance(tables, Layers):
        described["layers"] = [{"kind": each.kind, "arrays": len(each.arrays)} for each in tables.layers]
    return arrays, described


def load_tables(data: bytes, *, path: str) -> tuple[Tables | Nodes | Layers | Blend, About]:
    """Read the bytes of the file; `path` is its name in the package.

    Raises
    ------
    CorruptPackageError
        If the bytes are not such a file.
    """
    arrays, described = load_arrays(data, _Described, path=path, newest=FORMAT)
    with reading(path):
        if described.about is None:
            raise ValueError("it does not name its classes")
        return _loaded(arrays, described), described.about


def _loaded(arrays: Mapping[str, Any], described: _Described) -> Tables | Nodes | Layers | Blend:
    if described.members:
        return Blend(tuple(_member(arrays, index, each) for index, each in enumerate(described.members)))
    inputs = tuple(
        Input(each.name, each.text, each.known, arrays.get(f"cuts{index}"))
        for index, each in enumerate(described.inputs)
    )
    if "is_leaf" in arrays:
        stored = {name: arrays[name] for name in _NODES}
        is_leaf = np.unpackbits(arrays["is_leaf"], count=int(stored["sizes"].sum())).astype(bool)
        ranks = tuple(np.cumsum(arrays[f"ranks{index}"], axis=0, dtype=np.int64) for index in range(len(inputs)))
        nodes = Nodes(inputs, ranks, is_leaf=is_leaf, link=described.link, divisor=described.divisor, **stored)
        nodes.check()
        return nodes
    if described.layers:
        layers = Layers(
            inputs,
            centres=arrays["centres"],
            entries=tuple(arrays[f"entries{index}"] for index in range(len(inputs))),
            slopes=tuple(arrays[f"slopes{index}"] for index in range(len(inputs))),
            layers=tuple(
                Layer(each.kind, tuple(arrays[f"layer{number}.{index}"] for index in range(each.arrays)))
                for number, each in enumerate(described.layers)
            ),
            link=described.link,
            divisor=described.divisor,
        )
        layers.check()
        return layers
    stored = {name: arrays[name] for name in _ARRAYS if name in arrays}
    tables = Tables(inputs, link=described.link, divisor=described.divisor, **stored)
    tables.check()
    return tables


def _member(arrays: Mapping[str, Any], index: int, described: _Described) -> Member:
    inner = {name.removeprefix(f"{index}."): array for name, array in arrays.items() if name.startswith(f"{index}.")}
    calibration = None
    if (stored := described.calibration) is not None:
        curves = tuple(inner[f"curve{number}"] for number in range(len(stored.places)))
        calibration = Calibration(stored.kind, stored.places, curves, stored.classes)
        calibration.check()
    if not described.weight >= 0:
        raise ValueError("a weight of its average is negative")
    return Member(_loaded(inner, described), calibration, described.weight)
