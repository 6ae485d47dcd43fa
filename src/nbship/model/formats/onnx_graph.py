"""Fitted pipelines as ONNX graphs in double precision.

What comes before the last step is written from its traced columns, with scikit-learn's own values in the tables;
so are ensembles of trees and linear models. skl2onnx converts other estimators.

A graph takes one tensor of shape (rows, 1) for each input, doubles and texts, where null is NaN or `NULL`. It
gives `scores`, doubles of shape (rows, classes) or (rows, 1), and of a classifier the `label` of the largest.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np

from ...errors import NotCompilableError
from .compiler import Binned, Traced, affine_columns, bin_inputs
from .onnx import ABOUT, NULL
from .scores import Ensemble, Linear, Tree, read_scores

__all__ = ["draw"]

_OPSET = 21
_IR = 10
# A test of categories: its column, and which bins go left.
_Test: TypeAlias = tuple[int, bytes]


def draw(estimator: Any, traced: Traced, *, about: Mapping[str, Any], narrow: bool = False) -> tuple[bytes, Binned]:
    """Return the ONNX graph of a traced pipeline's last step, and the bins of its inputs.

    Parameters
    ----------
    about
        What the graph is to say of itself: classes, feature function.
    narrow
        Whether skl2onnx converts the estimator to float32, which more of them can.

    Raises
    ------
    NotCompilableError
        With the reason.
    """
    try:
        scores = read_scores(estimator)
    except NotCompilableError:
        scores = None
    ensemble = scores if isinstance(scores, Ensemble) else None
    binned = bin_inputs(traced, ensemble)
    graph = _Graph(trees=5 if ensemble else 3)
    numbers = [_bin(graph, each) for each in binned.inputs]
    if ensemble:
        found = _ensemble(graph, ensemble, traced, binned, numbers)
    else:
        matrix = _matrix(graph, traced, binned, numbers)
        found = _linear(graph, scores, matrix) if isinstance(scores, Linear) else _converted(graph, estimator, matrix, narrow=narrow)  # fmt: skip
    graph.name("Identity", "scores", found)
    classes = about["classes"]
    if classes is not None:
        graph.name("Gather", "label", graph.constant(_classes(classes)), graph.add("ArgMax", found, axis=1, keepdims=0))
    return graph.finish(binned, classes, about=about), binned


def _classes(classes: Sequence[Any]) -> Any:
    texts = isinstance(classes[0], str)
    return np.array(classes, dtype=object if texts else None)


class _Graph:
    """Nodes and constants of a graph that is being written."""

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
        """Add another model's graph on a matrix, and return its outputs."""
        from onnx import compose

        inner = compose.add_prefix(model, "m_").graph
        self.name("Identity", inner.input[0].name, matrix)
        self._nodes += inner.node
        self._constants += inner.initializer
        return [str(output.name) for output in inner.output]

    def finish(self, binned: Binned, classes: Sequence[Any] | None, *, about: Mapping[str, Any]) -> bytes:
        """Return the model's bytes."""
        from onnx import TensorProto, checker, helper

        kinds = {True: TensorProto.STRING, False: TensorProto.DOUBLE}
        inputs = [helper.make_tensor_value_info(each.name, kinds[each.text], ["rows", 1]) for each in binned.inputs]
        width = 1 if classes is None else len(classes)
        outputs = [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, ["rows", width])]
        if classes is not None:
            kind = helper.np_dtype_to_tensor_dtype(np.asarray(classes).dtype)
            kind = TensorProto.STRING if isinstance(classes[0], str) else kind
            outputs.append(helper.make_tensor_value_info("label", kind, ["rows"]))
        graph = helper.make_graph(self._nodes, "model", inputs, outputs, initializer=self._constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", self._trees)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR, producer_name="")
        helper.set_model_props(model, {ABOUT: json.dumps(about, sort_keys=True)})
        checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def _bin(graph: _Graph, each: Any) -> str:
    """Return the bin of each row, shape (rows,)."""
    flat = graph.constant(np.array([-1]))
    if each.text:
        if NULL in each.known:
            raise NotCompilableError(f"'{each.name}' knows the text that stands for null")
        texts = [*each.known, NULL]
        places = [*range(len(each.known)), len(each.known) + 1]
        found = graph.add("LabelEncoder", each.name, domain="ai.onnx.ml", keys_strings=texts, values_int64s=places, default_int64=len(each.known))  # fmt: skip
        return graph.add("Reshape", found, flat)
    missing = graph.add("Reshape", graph.add("IsNaN", each.name), flat)
    null = graph.constant(np.array(each.bins - 1))
    if not len(each.cuts):
        return graph.add("Where", missing, null, graph.constant(np.array(0)))
    above = graph.add("Cast", graph.add("Less", graph.constant(each.cuts[None, :]), each.name), to=_int64())
    count = graph.add("ReduceSum", above, graph.constant(np.array([1])), keepdims=0)
    return graph.add("Where", missing, null, count)


def _int64() -> int:
    from onnx import TensorProto

    return int(TensorProto.INT64)


def _double() -> int:
    from onnx import TensorProto

    return int(TensorProto.DOUBLE)


def _ensemble(graph: _Graph, scores: Ensemble, traced: Traced, binned: Binned, bins: Sequence[str]) -> str:
    """Return the scores of trees, which test the values in the bins: all values in a bin pass the same tests."""
    from onnx import numpy_helper

    parts: list[str] = []
    place_of: dict[int | _Test, int] = {}
    masks, tests = _masks(scores, traced, binned)
    for number, place in enumerate(binned.used):
        columns = [column for column, origin in enumerate(traced.origins) if origin.source == place]
        values = binned.values[place][:, columns]
        # Numbers beyond float32 become infinite, as they do in scikit-learn.
        with np.errstate(over="ignore"):
            values = values.astype(np.float32).astype(np.float64) if scores.narrow else values
        own = [key for key in masks if traced.origins[key[0]].source == place]
        keys: list[int | _Test] = [*columns, *own]
        place_of |= {key: len(place_of) + offset for offset, key in enumerate(keys)}
        table = np.column_stack([values, *(masks[key] for key in own)])
        parts.append(graph.add("Gather", graph.constant(table), bins[number], axis=0))
    matrix = graph.add("Concat", *parts, axis=1)
    trees = _Trees()
    for tree, output in scores.trees:
        targets = [output] if output is not None else range(tree.values.shape[1])
        for part, target in enumerate(targets):
            trees.add(tree, tree.values[:, part], target, tests, place_of)
    arrays = {"nodes_splits": np.array(trees.splits), "leaf_weights": np.array(trees.weights)}
    sums = graph.add(
        "TreeEnsemble", matrix, domain="ai.onnx.ml", n_targets=len(scores.base), aggregate_function=1, post_transform=0,
        nodes_modes=numpy_helper.from_array(np.zeros(len(trees.splits), dtype=np.uint8)),
        **{name: numpy_helper.from_array(values) for name, values in arrays.items()}, **trees.lists,
    )  # fmt: skip
    if scores.divisor != 1:
        sums = graph.add("Div", sums, graph.constant(np.array(scores.divisor)))
    return _linked(graph, graph.add("Add", sums, graph.constant(scores.base[None, :])), scores.link, len(scores.base))


def _masks(scores: Ensemble, traced: Traced, binned: Binned) -> tuple[dict[_Test, Any], dict[tuple[int, int], _Test]]:
    """Return the tests of categories, 0 in the bins that go left, shape (bins,); and which nodes of which trees test so."""
    found, tests = {}, {}
    for tree, _ in scores.trees:
        for node in tree.sets:
            column = int(tree.column[node])
            left = tree.goes_left(node, binned.values[traced.origins[column].source][:, column])
            test = tests[id(tree), node] = (column, left.tobytes())
            found[test] = np.where(left, 0.0, 1.0)
    return found, tests


class _Trees:
    """Trees as the lists that the operator takes."""

    def __init__(self) -> None:
        self.splits: list[float] = []
        self.weights: list[float] = []
        names = ("tree_roots", "nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids")
        self.lists: dict[str, list[int]] = {
            name: [] for name in (*names, "nodes_falseleafs", "nodes_missing_value_tracks_true", "leaf_targetids")
        }

    def add(
        self, tree: Tree, values: Any, target: int, tests: Mapping[tuple[int, int], _Test], place_of: Mapping[Any, int]
    ) -> None:
        """Add a tree whose leaves hold `values` for one target."""
        inner = np.flatnonzero(tree.left >= 0).tolist()
        leaves = np.flatnonzero(tree.left < 0).tolist()
        start, first = len(self.splits), len(self.weights)
        where = {node: (start + number, 0) for number, node in enumerate(inner)}
        where |= {node: (first + number, 1) for number, node in enumerate(leaves)}
        self.weights += values[leaves].tolist()
        self.lists["leaf_targetids"] += [target] * len(leaves)
        self.lists["tree_roots"].append(start)
        for node in inner:
            test = tests.get((id(tree), node))
            self._node(
                place_of[int(tree.column[node]) if test is None else test],
                0.5 if test else float(tree.threshold[node]),
                bool(tree.missing_left[node]),
                where[int(tree.left[node])],
                where[int(tree.right[node])],
            )
        if not inner:
            self._node(0, 0.0, True, where[0], where[0])

    def _node(self, column: int, split: float, missing: bool, left: tuple[int, int], right: tuple[int, int]) -> None:
        self.splits.append(split)
        told = {"nodes_featureids": column, "nodes_missing_value_tracks_true": int(missing)}
        told |= {"nodes_truenodeids": left[0], "nodes_trueleafs": left[1]}
        told |= {"nodes_falsenodeids": right[0], "nodes_falseleafs": right[1]}
        for name, value in told.items():
            self.lists[name].append(value)


def _matrix(graph: _Graph, traced: Traced, binned: Binned, bins: Sequence[str]) -> str:
    """Return the matrix: affine columns computed, others read from tables."""
    affine, centres, at_centres = affine_columns(traced)
    parts, order = [], []
    for number, place in enumerate(binned.used):
        own = [column for column, origin in enumerate(traced.origins) if origin.source == place]
        straight = [column for column in own if affine[column]]
        if straight:
            name = binned.inputs[number].name
            slopes = np.array([[traced.origins[column].slope for column in straight]])
            apart = graph.add("Sub", name, graph.constant(centres[[place]]))
            line = graph.add("Add", graph.add("Mul", apart, graph.constant(slopes)), graph.constant(at_centres[straight]))  # fmt: skip
            null = graph.constant(binned.values[place][-1:, straight])
            parts.append(graph.add("Where", graph.add("IsNaN", name), null, line))
        if stepped := [column for column in own if not affine[column]]:
            parts.append(graph.add("Gather", graph.constant(binned.values[place][:, stepped]), bins[number], axis=0))
        order += [*straight, *stepped]
    return graph.add("Gather", graph.add("Concat", *parts, axis=1), graph.constant(np.argsort(order)), axis=1)


def _linear(graph: _Graph, scores: Linear, matrix: str) -> str:
    weighed = graph.add("MatMul", matrix, graph.constant(scores.weights.T.copy()))
    return _linked(
        graph, graph.add("Add", weighed, graph.constant(np.array(scores.base)[None, :])), scores.link, len(scores.base)
    )


def _linked(graph: _Graph, sums: str, link: str, outputs: int) -> str:
    if link == "identity":
        return sums
    if link == "decision" and outputs == 1:
        return _both(graph, graph.add("Cast", graph.add("Greater", sums, graph.constant(np.array(0.0))), to=_double()))
    if link == "decision":
        return _one_hot(graph, graph.add("ArgMax", sums, axis=1, keepdims=1), np.arange(outputs))
    if link == "exp":
        return graph.add("Exp", sums)
    if link == "softmax":
        return graph.add("Softmax", sums, axis=1)
    if link == "expit of twice":
        sums = graph.add("Mul", sums, graph.constant(np.array(2.0)))
    return _both(graph, graph.add("Sigmoid", sums))


def _both(graph: _Graph, positive: str) -> str:
    return graph.add("Concat", graph.add("Sub", graph.constant(np.array(1.0)), positive), positive, axis=1)


def _one_hot(graph: _Graph, chosen: str, among: Any) -> str:
    return graph.add("Cast", graph.add("Equal", chosen, graph.constant(among[None, :])), to=_double())


def _converted(graph: _Graph, estimator: Any, matrix: str, *, narrow: bool) -> str:
    """Return the scores of an estimator that skl2onnx converts."""
    import skl2onnx
    from skl2onnx.common import data_types

    classes = getattr(estimator, "classes_", None)
    probabilistic = classes is not None and hasattr(estimator, "predict_proba")
    if hasattr(estimator, "flatten_transform"):
        # It shapes what `transform` gives, and skl2onnx knows one shape only.
        estimator = copy(estimator).set_params(flatten_transform=False)
    kind = data_types.FloatTensorType if narrow else data_types.DoubleTensorType
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = skl2onnx.to_onnx(
                estimator,
                initial_types=[("matrix", kind([None, int(estimator.n_features_in_)]))],
                options={id(estimator): {"zipmap": False}} if probabilistic else None,
                target_opset={"": _OPSET, "ai.onnx.ml": 3},
            )
    except Exception as error:
        # It knows no common class of errors: what it cannot convert, it tells in many ways.
        raise NotCompilableError(f"skl2onnx: {str(error).strip().splitlines()[0]}") from error
    given = graph.add("Cast", matrix, to=1) if narrow else matrix
    outputs = graph.include(model, given)
    if classes is None or probabilistic:
        return graph.add("Cast", outputs[-1], to=_double())
    label = graph.add("Reshape", outputs[0], graph.constant(np.array([-1, 1])))
    return _one_hot(graph, label, _classes(classes.tolist()))
