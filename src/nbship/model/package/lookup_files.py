"""The lookups of a package: `lookups.json`, and one `lookups/<name>.parquet` for each."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...data import Key, Lookup
from ...errors import CorruptPackageError, PackageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dump_lookups", "load_lookups", "parquet_bytes"]


def dump_lookups(lookups: Sequence[Lookup]) -> dict[str, bytes]:
    """Return the files of lookups; without lookups, no files."""
    if not lookups:
        return {}
    listed, files = [], {}
    for lookup in lookups:
        if lookup.table is None:
            raise PackageError(f"Lookup '{lookup.name}' has no table. Pass one: Lookup(…, table=frame).")
        keys = [{"column": key.column, "to": key.to, "floor": key.floor} for key in lookup.keys]
        listed.append({"name": lookup.name, "keys": keys, "columns": list(lookup.columns)})
        wanted = [*dict.fromkeys([*(key.to for key in lookup.keys), *lookup.columns])]
        files[f"lookups/{lookup.name}.parquet"] = parquet_bytes(lookup.table[wanted])
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
    import pandas as pd

    try:
        return tuple(
            Lookup(
                each["name"],
                keys=[Key(**key) for key in each["keys"]],
                columns=each["columns"],
                table=pd.read_parquet(io.BytesIO(files[f"lookups/{each['name']}.parquet"])),
            )
            for each in json.loads(files["lookups.json"])
        )
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptPackageError(f"The package's lookups cannot be read: {error}. Build the package again.") from error


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet; the bytes depend only on its values and types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table: Any = pa.Table.from_pandas(frame.reset_index(drop=True), preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", use_dictionary=True, data_page_version="1.0")
    return buffer.getvalue()
