"""The trees of a large forest as columns, which compress to two thirds of scikit-learn's records.

scikit-learn stores an array of nodes and an array of values for each tree, in 80 bytes a node. Here the entries of all
trees are joined, column by column: children as distances from their parent, and numbers that occur several times, such
as the targets in leaves, as an index of their different values.

For example, the values 2.5, 7.0, 2.5 and 3.0 have the indices 1, 0, 1 and 0, the repeated value 2.5, and the single
values 7.0 and 3.0. Bytes of equal weight are stored together, as the high ones of neighbours are alike.
"""

from __future__ import annotations

import io
import json
from collections.abc import Container, Mapping
from typing import Any, TypeAlias

import numpy as np

__all__ = ["is_packed", "pack_trees", "unpack_trees"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_PREFIX, _LISTED = "packed/", "packed/trees.json"
_CHILDREN = ("left_child", "right_child")


def is_packed(names: Container[str]) -> bool:
    """Return whether an archive with these names holds packed trees."""
    return _LISTED in names


def pack_trees(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the entries of an archive, with the arrays of trees replaced by their columns; unchanged without trees."""
    nodes = {name: array for name, content in entries.items() if (array := _nodes(content)) is not None}
    values = {name: array for name, content in entries.items() if (array := _values(content, nodes)) is not None}
    if not nodes or len({array.dtype for array in nodes.values()}) > 1:
        return dict(entries)
    joined = np.concatenate(list(nodes.values()))
    found: dict[str, bytes] = {}
    for column in joined.dtype.names or ():
        found |= _pack(column, _as_distances(column, joined[column], nodes))
    if values:
        found |= _pack("values", np.concatenate([array.ravel() for array in values.values()]))
    listed = {
        "order": list(entries),
        # That of the joined array has no bytes between its fields.
        "dtype": next(iter(nodes.values())).dtype.descr,
        "nodes": {name: len(array) for name, array in nodes.items()},
        "values": {name: array.shape for name, array in values.items()},
    }
    others = {name: content for name, content in entries.items() if name not in nodes and name not in values}
    return {**others, **found, _LISTED: json.dumps(listed).encode()}


def unpack_trees(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the entries that `pack_trees` was given.

    Raises
    ------
    ValueError, KeyError
        If the entries are not packed trees.
    """
    listed = json.loads(entries[_LISTED])
    dtype = np.lib.format.descr_to_dtype([tuple(each) for each in listed["dtype"]])
    columns = {column: _unpack(column, entries, dtype[column]) for column in dtype.names or ()}
    counts = listed["nodes"].values()
    if {len(numbers) for numbers in columns.values()} != {sum(counts)} or min(counts) < 1:
        raise ValueError("the columns of its trees have other lengths")
    places = np.concatenate([np.arange(count) for count in counts])
    joined = np.zeros(len(places), dtype=dtype)
    for column, numbers in columns.items():
        joined[column] = np.where(numbers > 0, numbers + places, numbers) if column in _CHILDREN else numbers
    found = {name: content for name, content in entries.items() if not name.startswith(_PREFIX)}
    start = 0
    for name, count in listed["nodes"].items():
        found[name] = _bytes(joined[start : start + count])
        start += count
    values, start = _unpack("values", entries, np.dtype(np.float64)) if listed["values"] else np.empty(0), 0
    for name, shape in listed["values"].items():
        count = int(np.prod(shape))
        found[name] = _bytes(values[start : start + count].reshape(shape))
        start += count
    return {name: found[name] for name in listed["order"]}


def _nodes(content: bytes) -> Array | None:
    if not (content.startswith(b"\x93NUMPY") and b"('left_child'" in content[:256]):
        return None
    return _array(content)


def _values(content: bytes, nodes: Mapping[str, Array]) -> Array | None:
    """Return the values of a tree: a number, or one for each class, of each node and output."""
    if not nodes or not (
        content.startswith(b"\x93NUMPY") and b"'descr': '<f8', 'fortran_order': False" in content[:128]
    ):
        return None
    array = _array(content)
    return array if array.ndim == 3 else None


def _array(content: bytes) -> Array:
    found: Array = np.load(io.BytesIO(content), allow_pickle=False)
    return found


def _bytes(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _as_distances(column: str, numbers: Array, nodes: Mapping[str, Array]) -> Array:
    if column not in _CHILDREN:
        return numbers
    places = np.concatenate([np.arange(len(array)) for array in nodes.values()])
    # A leaf has the child -1. A child comes after its parent.
    return np.where(numbers > 0, numbers - places, numbers)


def _pack(column: str, numbers: Array) -> dict[str, bytes]:
    """Return the entries of a column."""
    if numbers.dtype != np.float64:
        if numbers.dtype.kind == "i":
            # The smallest signed type that holds them.
            numbers = numbers.astype(np.min_scalar_type(-1 - int(np.abs(numbers).max())))
        return {f"{_PREFIX}{column}.npy": _bytes(_by_weight(numbers))}
    # By their bits: 0.0 and -0.0 differ.
    different, inverse, counts = np.unique(numbers.view(np.int64), return_inverse=True, return_counts=True)
    repeated = counts > 1
    indices = np.where(repeated, np.cumsum(repeated), 0)[inverse]
    return {
        f"{_PREFIX}{column}.npy": _bytes(_by_weight(indices.astype(np.min_scalar_type(int(repeated.sum()))))),
        f"{_PREFIX}{column}.repeated.npy": _bytes(_by_weight(different[repeated].view(np.float64))),
        f"{_PREFIX}{column}.single.npy": _bytes(_by_weight(numbers[indices == 0])),
    }


def _unpack(column: str, entries: Mapping[str, bytes], dtype: np.dtype[Any]) -> Array:
    stored = _array(entries[f"{_PREFIX}{column}.npy"])
    if dtype != np.float64:
        return _by_place(stored, dtype.kind).astype(dtype)
    indices = _by_place(stored, "u")
    repeated = _by_place(_array(entries[f"{_PREFIX}{column}.repeated.npy"]), "f")
    found = np.concatenate([[0.0], repeated])[indices]
    found[indices == 0] = _by_place(_array(entries[f"{_PREFIX}{column}.single.npy"]), "f")
    return found


def _by_weight(numbers: Array) -> Array:
    """Return the bytes of numbers: the lowest of all, then the next, shape (bytes of a number, numbers)."""
    size = numbers.dtype.itemsize
    return np.ascontiguousarray(np.ascontiguousarray(numbers).view(np.uint8).reshape(len(numbers), size).T)


def _by_place(stored: Array, kind: str) -> Array:
    """Return the numbers of a kind ("i", "u" or "f") whose bytes `_by_weight` returned."""
    return np.ascontiguousarray(stored.T).view(f"<{kind}{len(stored)}").reshape(-1)
