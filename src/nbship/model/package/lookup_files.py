"""The lookups of a package: `lookups.json`, and one `lookups/<name>.npz` for each.

Strings are stored as codes of their distinct values. Packages of earlier releases have `lookups/<name>.parquet`, which
takes pandas and pyarrow to read: 100 MB of memory.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import Key, Lookup, TableSource
from ...errors import PackageError
from ..arrays_file import dump_arrays, load_arrays
from ..signature import Scalar
from ..stored_files import read_json, reading

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dump_lookups", "load_lookups", "parquet_bytes"]

FORMAT = 1


@dataclass(frozen=True)
class _Listed:
    """A lookup in `lookups.json`."""

    name: str
    keys: tuple[Key, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class _Described:
    """The columns of a table, and the distinct values of those that are stored as codes."""

    keys: tuple[str, ...]
    columns: tuple[str, ...]
    known_keys: Mapping[str, tuple[Scalar | None, ...]]
    known_columns: Mapping[str, tuple[Scalar | None, ...]]


def dump_lookups(lookups: Sequence[Lookup]) -> dict[str, bytes]:
    """Return the files of lookups; without lookups, no files."""
    if not lookups:
        return {}
    listed, files = [], {}
    for lookup in lookups:
        if not isinstance(lookup.source, TableSource):
            raise PackageError(f"Lookup '{lookup.name}' has no table. Pass one: Lookup(…, table=frame).")
        keys = [{"column": key.column, "to": key.to, "floor": key.floor} for key in lookup.keys]
        listed.append({"name": lookup.name, "keys": keys, "columns": list(lookup.columns)})
        files[_path(lookup.name)] = _dump_table(lookup.name, lookup.source)
    return {"lookups.json": (json.dumps(listed, indent=1) + "\n").encode(), **files}


def load_lookups(files: Mapping[str, bytes]) -> tuple[Lookup, ...]:
    """Read the lookups among a package's files.

    Raises
    ------
    CorruptPackageError
        If they cannot be read.
    """
    if "lookups.json" not in files:
        return ()
    listed = read_json(files["lookups.json"], tuple[_Listed, ...], path="lookups.json")
    return tuple(_load(files, each) for each in listed)


def _load(files: Mapping[str, bytes], listed: _Listed) -> Lookup:
    name, path = listed.name, _path(listed.name)
    if path in files:
        table = _load_table(files[path], path=path)
        with reading(path):
            if [key.to for key in listed.keys] != list(table.keys) or set(listed.columns) != set(table.columns):
                raise ValueError("its columns are not those in 'lookups.json'")
        return Lookup(name, listed.keys, listed.columns, source=table)
    import pandas as pd

    with reading(f"lookups/{name}.parquet"):
        frame = pd.read_parquet(io.BytesIO(files[f"lookups/{name}.parquet"]))
        return Lookup(name, listed.keys, listed.columns, table=frame)


def _path(name: str) -> str:
    return f"lookups/{name}.npz"


def _dump_table(name: str, table: TableSource) -> bytes:
    arrays: dict[str, Any] = {}
    described: dict[str, Any] = {"format": FORMAT, "keys": list(table.keys), "columns": list(table.columns)}
    for kind in ("keys", "columns"):
        described[f"known_{kind}"] = {}
        for index, (column, values) in enumerate(getattr(table, kind).items()):
            if values.dtype == object:
                values, known = _encoded(values)
                if not all(value is None or isinstance(value, (str, bool, int, float)) for value in known):
                    raise PackageError(
                        f"Column '{column}' of lookup '{name}' holds other values than strings, numbers and "
                        "timestamps. Convert them, for example to strings."
                    )
                described[f"known_{kind}"][column] = known
            arrays[f"{kind}{index}"] = values
    return dump_arrays(arrays, described)


def _load_table(data: bytes, *, path: str) -> TableSource:
    arrays, described = load_arrays(data, _Described, path=path, newest=FORMAT)
    loaded: dict[str, dict[str, Any]] = {"keys": {}, "columns": {}}
    with reading(path):
        for kind, columns in loaded.items():
            for index, column in enumerate(getattr(described, kind)):
                known = getattr(described, f"known_{kind}").get(column)
                columns[column] = _column(arrays[f"{kind}{index}"], known)
        if len({len(values) for columns in loaded.values() for values in columns.values()}) != 1:
            raise ValueError("its columns are not of the same length")
    return TableSource(**loaded)


def _column(values: Any, known: Sequence[Any] | None) -> Any:
    """Return a stored column; `known` are the values of its codes."""
    if values.ndim != 1 or values.dtype.kind not in ("fM" if known is None else "u"):
        raise ValueError("a column is of another type")
    return values if known is None else np.array([*known, None], dtype=object)[values]


def _encoded(values: Any) -> tuple[Any, list[Any]]:
    """Return the code of each value, and the distinct values in the order of their codes."""
    codes: dict[Any, int] = {}
    numbers = [codes.setdefault(value, len(codes)) for value in values.tolist()]
    return np.array(numbers, dtype=np.min_scalar_type(len(codes))), list(codes)


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet; the bytes depend only on its values and types."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    dense = {str(name): np.asarray(frame[name]) for name in frame if isinstance(frame[name].dtype, pd.SparseDtype)}
    frame = frame.assign(**dense)
    table: Any = pa.Table.from_pandas(frame.reset_index(drop=True), preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", use_dictionary=True, data_page_version="1.0")
    return buffer.getvalue()
