"""The files that nbship keeps of batch runs: what a query or standard input held, what went to a table or standard output.

They are named by their content, and outputs by their run, so that no run overwrites the files of another: every run can
be replayed and monitored. Only the user can read them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from ...atomic_write import create_private, publish
from ...errors import EmptyDataError
from ...model.signature import Signature
from ...predictor import PackagePredictor
from ...tabular import Kind, Source, sniff_suffix, writing
from .databases import save_query
from .run import run_name

__all__ = ["OwnFiles"]

_ABANDONED = 24 * 3600  # seconds: the folder of a process that was killed


class OwnFiles:
    """A folder of such files.

    Parameters
    ----------
    folder
        Created if it does not exist.
        Inputs are deleted at the end of the `with` block, unless `predict_file` has moved them: it keeps only inputs of
        complete runs, and of personal values only pseudonyms.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()

    def __enter__(self) -> OwnFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def store_query(self, url: str, query: str, *, signature: Signature) -> Path:
        """Store the result of a query, and return the file. Errors are those of `save_query`."""
        path = self.temporary("input.parquet")
        save_query(url, query, path, signature=signature)
        return path

    def store_stream(self, stream: BinaryIO) -> Path:
        """Store a stream, and return the file: its content decides its suffix.

        Raises
        ------
        EmptyDataError
            If there is no content.
        """
        path = self.temporary("input")
        with writing(self._folder):
            create_private(path)
            with path.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
        if not path.stat().st_size:
            raise EmptyDataError("Standard input is empty. Write rows to it.")
        publish(path, named := path.with_name(f"input{sniff_suffix(path)}"))
        return named

    def output(
        self, predictor: PackagePredictor, source: Source, kind: Kind, *, ignore_extra: bool, escape_formulas: bool
    ) -> Path:
        """Return the path of a run's output."""
        with writing(self._folder):
            self._create()
        name = run_name(predictor, source, source.digest(), ignore_extra=ignore_extra, escape_formulas=escape_formulas)
        return self._folder / f"{name}.{kind}"

    def temporary(self, name: str) -> Path:
        """Return the path of a file that is deleted at the end of the `with` block."""
        return self._files.enter_context(self._new()) / name

    def _create(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    @contextmanager
    def _new(self) -> Iterator[Path]:
        """Yield a folder for a file that is not complete, and delete those that killed processes left."""
        with writing(self._folder):
            self._create()
            for folder in self._folder.glob(".new-*"):
                if time.time() - folder.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(folder, ignore_errors=True)
            new = self._folder / f".new-{os.urandom(8).hex()}"
            new.mkdir()
        try:
            yield new
        finally:
            shutil.rmtree(new, ignore_errors=True)
