"""The model of a package as an ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from ...errors import CorruptPackageError, PackageError
from ..signature import Column, Columns, Target, compute
from .lookup_tables import cores
from .tables import array_of, function_of

__all__ = ["ABOUT", "NULL", "Graph", "Onnx"]

# What stands for null in a tensor of texts, which knows none.
NULL = "\x00"
# The model's property that holds the classes and the feature function.
ABOUT = "model"
# Products of matrices add in an order that depends on their shape, so all get blocks of one shape.
_BLOCK = 16
# Blocks from which on threads save more than they cost.
_MANY = 256


class Graph:
    """An ONNX graph that takes the model's inputs.

    Attributes
    ----------
    about
        "classes", "function" and "probabilistic", as it was drawn with.
    """

    def __init__(self, data: bytes) -> None:
        self._session = _session(data)
        # ONNX Runtime's reductions add in an order that depends on the alignment of a row in memory: rows 0 and 1 of
        # a block of 7 features differ in the last bit. In such a graph each row gets a block of its own.
        self._rows = 1 if b"Reduce" in data else _BLOCK
        self.about = _about(self._session)
        self._texts = {each.name: each.type == "tensor(string)" for each in self._session.get_inputs()}

    def scores(self, inputs: Columns) -> Column:
        """Return the scores, shape (rows, scores)."""
        tensors = {name: _tensor(inputs[name], text=text) for name, text in self._texts.items()}
        rows = len(next(iter(inputs.values())))
        starts = range(0, rows, self._rows)
        run = partial(self._block, tensors)
        if len(starts) < _MANY:
            found = [run(start) for start in starts]
        else:
            with ThreadPoolExecutor(cores()) as pool:
                found = list(pool.map(run, starts))
        return np.concatenate(found)

    def _block(self, tensors: Mapping[str, Any], start: int) -> Any:
        given = {}
        for name, tensor in tensors.items():
            part = tensor[start : start + self._rows]
            short = _BLOCK - len(part)
            given[name] = np.concatenate([part, np.repeat(part[-1:], short, axis=0)]) if short else part
        rows = min(self._rows, len(tensor) - start)
        return self._session.run(["scores"], given)[0][:rows]


class Onnx:
    """A package's ONNX graph behind its feature function, ready to answer.

    Attributes
    ----------
    targets
        What the scores are of: one target.
    """

    name = "onnx"

    def __init__(self, data: bytes, *, renamed: Mapping[str, str]) -> None:
        self._graph = Graph(data)
        about = self._graph.about
        classes = about["classes"]
        self.targets = (Target(None if classes is None else array_of(classes), about["probabilistic"]),)
        self._function = None if about["function"] is None else function_of(about["function"], renamed)

    def scores(self, columns: Columns) -> Column:
        """Return the scores, shape (rows, scores)."""
        return self._graph.scores(columns if self._function is None else compute(self._function, columns))


def _about(session: Any) -> Mapping[str, Any]:
    try:
        about = json.loads(session.get_modelmeta().custom_metadata_map[ABOUT])
        return {name: about[name] for name in ("classes", "function", "probabilistic")}
    except (KeyError, ValueError, TypeError):
        raise CorruptPackageError("'model.onnx' does not describe its outputs. Make the package again.") from None


def _tensor(column: Column, *, text: bool) -> Any:
    if not text:
        return column.astype(np.float64)[:, None]
    found = np.empty((len(column), 1), dtype=object)
    found[:, 0] = [NULL if value is None or value != value else value for value in column.tolist()]
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
        # Its errors have no common class of their own.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptPackageError(f"'model.onnx' cannot be loaded: {reason[:200]}. Make the package again.") from error
