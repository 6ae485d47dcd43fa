"""Write a table part by part to a CSV or Parquet file, durable when it is closed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SourceError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableWriter"]


class TableWriter:
    """Appends frames to one file; without a frame there is no file."""

    def __init__(self, path: Path, *, parquet: bool | None = None) -> None:
        self._path = path
        self._as_parquet = path.suffix == ".parquet" if parquet is None else parquet
        self._parquet: Any = None
        self._begun = False

    @property
    def text(self) -> bool:
        """Whether the file is text."""
        return not self._as_parquet

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of a frame; all frames have the same columns."""
        try:
            if self.text:
                frame.to_csv(
                    self._path,
                    mode="a" if self._begun else "w",
                    header=not self._begun,
                    index=False,
                    lineterminator="\n",
                )
            else:
                self._write_parquet(frame)
        except OSError as error:
            raise SourceError(f"'{self._path.parent}' cannot be written: {error.strerror or error}.") from error
        self._begun = True

    def close(self) -> None:
        """Bring what was written to the disk."""
        if self._parquet is not None:
            self._parquet.close()
            self._parquet = None
        if self._begun:
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    def _write_parquet(self, frame: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._parquet is None:
            table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
            self._parquet = pq.ParquetWriter(self._path, table.schema)
        else:
            table = pa.Table.from_pandas(frame, schema=self._parquet.schema, preserve_index=False)
            table = table.replace_schema_metadata(None)
        self._parquet.write_table(table)
