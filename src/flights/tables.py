"""Tables as Parquet files: the same rows give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table", "write_table"]


def write_table(frame: pd.DataFrame, path: Path) -> Path:
    """Write Parquet with explicit settings, so that the bytes do not depend on defaults."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    path.parent.mkdir(parents=True, exist_ok=True)
    # An old file may be a link into the DVC cache, whose files must not change.
    path.unlink(missing_ok=True)
    pq.write_table(table, path, version="2.6", compression="zstd", compression_level=3, row_group_size=1 << 20)
    return path


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote."""
    import pandas as pd

    return pd.read_parquet(path)
