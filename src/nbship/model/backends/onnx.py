"""The model of a package as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...errors import CorruptPackageError, PackageError
from ...text import first_line
from ..signature import Column, Columns, Target, compute
from ..stored_files import read_json
from .lookup_tables import available_cores
from .tables import array_of, function_of
from .tables_file import About

__all__ = ["ABOUT", "NULL", "Graph", "Onnx"]

# Null in a string tensor, which has no null of its own.
NULL = "\x00"
# The metadata property of the model with its classes and feature function.
ABOUT = "model"
# The order of addition in a matrix product depends on its shape, so every call has a block of the same shape; with
# support vectors, a row takes long.
_BLOCK, _SMALL_BLOCK = 64, 16
# From this number of rows, threads pay off.
_MANY = 4096


@dataclass(frozen=True)
class _AboutGraph(About):
    probabilistic: bool


class Graph:
    """An ONNX graph that takes the model's inputs.

    Attributes
    ----------
    about
        "classes", "function" and "probabilistic", which were stored with the graph.
    """

    def __init__(self, data: bytes) -> None:
        self._session = _session(data)
        # The order of addition in ONNX Runtime's reductions depends on the alignment of a row in memory: with 7
        # features, equal rows 0 and 1 of a block differ in the last bit. With reductions, each row has its own block.
        self._rows = 1 if b"Reduce" in data else _SMALL_BLOCK if b"SVM" in data else _BLOCK
        self.about = _about(self._session)
        self._is_string = {each.name: each.type == "tensor(string)" for each in self._session.get_inputs()}

    def scores(self, inputs: Columns) -> Column:
        """Return the scores, shape (rows, scores)."""
        tensors = {name: _tensor(inputs[name], is_string=is_string) for name, is_string in self._is_string.items()}
        rows = len(next(iter(inputs.values())))
        starts = range(0, rows, self._rows)
        run = partial(self._block, tensors)
        if rows < _MANY:
            found = [run(start) for start in starts]
        else:
            with ThreadPoolExecutor(available_cores()) as pool:
                found = list(pool.map(run, starts))
        return np.concatenate(found)

    def _block(self, tensors: Mapping[str, Any], start: int) -> Any:
        given = {}
        for name, tensor in tensors.items():
            part = tensor[start : start + self._rows]
            # A short block is filled up by repeating its last row.
            short = self._rows - len(part)
            given[name] = np.concatenate([part, np.repeat(part[-1:], short, axis=0)]) if short else part
        rows = min(self._rows, len(tensor) - start)
        return self._session.run(["scores"], given)[0][:rows]


class Onnx:
    """The feature function and the ONNX graph of a package, ready to predict.

    Attributes
    ----------
    targets
        The one target of the scores.
    """

    name = "onnx"

    def __init__(self, data: bytes, *, renamed: Mapping[str, str]) -> None:
        self._graph = Graph(data)
        about = self._graph.about
        classes = about.classes
        self.targets = (Target(None if classes is None else array_of(classes), about.probabilistic),)
        self._function = None if about.function is None else function_of(about.function, renamed)

    def scores(self, columns: Columns) -> Column:
        """Return the scores, shape (rows, scores)."""
        return self._graph.scores(columns if self._function is None else compute(self._function, columns))


def _about(session: Any) -> _AboutGraph:
    stored: str | None = session.get_modelmeta().custom_metadata_map.get(ABOUT)
    if stored is None:
        raise CorruptPackageError("'model.onnx' does not describe its outputs. Build the package again.")
    return read_json(stored.encode(), _AboutGraph, path="model.onnx")


def _tensor(column: Column, *, is_string: bool) -> Any:
    if not is_string:
        return column.astype(np.float64)[:, None]
    found = np.empty((len(column), 1), dtype=object)
    # A string that begins like null must not become null: it gets a second mark, and is no known category.
    found[:, 0] = [
        NULL if value is None or value != value else NULL + value if value.startswith(NULL) else value
        for value in column.tolist()
    ]
    return found


def _session(data: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise PackageError(
            "This model needs ONNX Runtime, which is not installed. Install it: `pip install 'nbship[onnx]'`."
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime has no common base class for its exceptions.
        reason = first_line(error, otherwise=type(error).__name__)
        raise CorruptPackageError(f"'model.onnx' cannot be loaded: {reason[:200]}. Build the package again.") from error
