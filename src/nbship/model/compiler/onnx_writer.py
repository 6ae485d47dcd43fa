"""Write ONNX graphs, node by node."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..backends import ABOUT
from .binning import Binned

__all__ = ["DOUBLE", "FLOAT", "INT64", "OPSET", "Writer"]

OPSET = 21
_IR = 10
# Values of TensorProto.DataType.
FLOAT, INT64, DOUBLE = 1, 7, 11


class Writer:
    """The nodes and constants of an unfinished graph."""

    def __init__(self, *, trees: int) -> None:
        self._trees = trees
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return its output."""
        return self.name(op, f"v{len(self._nodes)}", *inputs, domain=domain, **attributes)

    def name(self, op: str, output: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with a named output."""
        from onnx import helper

        self._nodes.append(helper.make_node(op, list(inputs), [output], domain=domain, **attributes))
        return output

    def constant(self, values: Any) -> str:
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def include(self, model: Any, matrix: str) -> list[str]:
        """Add the graph of another model with the matrix as its input, and return its outputs."""
        from onnx import compose

        inner = compose.add_prefix(model, "m_").graph
        self.name("Identity", inner.input[0].name, matrix)
        self._nodes += inner.node
        self._constants += inner.initializer
        return [str(output.name) for output in inner.output]

    def finish(self, binned: Binned, classes: Sequence[Any] | None, *, about: Mapping[str, Any]) -> bytes:
        """Return the bytes of the model."""
        from onnx import TensorProto, checker, helper

        kinds = {True: TensorProto.STRING, False: TensorProto.DOUBLE}
        inputs = [
            helper.make_tensor_value_info(each.name, kinds[each.is_string], ["rows", 1]) for each in binned.inputs
        ]
        width = 1 if classes is None else len(classes)
        outputs = [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, ["rows", width])]
        if classes is not None:
            kind = helper.np_dtype_to_tensor_dtype(np.asarray(classes).dtype)
            kind = TensorProto.STRING if isinstance(classes[0], str) else kind
            outputs.append(helper.make_tensor_value_info("label", kind, ["rows"]))
        graph = helper.make_graph(self._nodes, "model", inputs, outputs, initializer=self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", self._trees)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR, producer_name="")
        helper.set_model_props(model, {ABOUT: json.dumps(about, sort_keys=True)})
        checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
