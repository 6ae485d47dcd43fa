"""Fitted pipelines as ONNX graphs in double precision.

The steps before the last are written from their traced columns, with tables of values that scikit-learn computed.
Ensembles of trees and linear models are written directly; skl2onnx converts other estimators.

A graph has one input tensor of shape (rows, 1) for each input, of doubles (null is NaN) or strings (null is `NULL`).
Its output `scores` has the shape (rows, classes) or (rows, 1). The output `label` of a classifier is the class with
the largest score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np

from ...errors import NotCompilableError
from ..backends import NULL
from .binning import Binned, bin_inputs
from .conversion import convert
from .estimators import Ensemble, Linear, read_scores
from .onnx_trees import sum_trees
from .onnx_writer import DOUBLE, FLOAT, INT64, Writer
from .trace import Traced, affine_columns

__all__ = ["build_graph"]

Convert: TypeAlias = "Callable[[Any], tuple[Any, Any]]"


def build_graph(
    estimator: Any, traced: Traced, *, about: Mapping[str, Any], narrow: bool = False, convert: Convert = convert
) -> tuple[bytes, Binned]:
    """Return the ONNX graph of a traced pipeline's last step, and the bins of its inputs.

    Parameters
    ----------
    about
        Metadata of the graph: the classes and the feature function.
    narrow
        Whether skl2onnx converts to float32, which it supports for more estimators than double precision.
    convert
        Returns the conversions of an estimator by skl2onnx.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    try:
        scores = read_scores(estimator)
    except NotCompilableError:
        scores = None
    ensemble = scores if isinstance(scores, Ensemble) else None
    binned = bin_inputs(traced, ensemble)
    graph = Writer(trees=5 if ensemble else 3)
    bins = [_bin(graph, each) for each in binned.inputs]
    if isinstance(scores, Ensemble):
        found = _linked(graph, sum_trees(graph, scores, traced, binned, bins), scores)
    elif isinstance(scores, Linear):
        matrix = _matrix(graph, traced, binned, bins)
        weighed = graph.add("MatMul", matrix, graph.constant(scores.weights.T.copy()))
        found = _linked(graph, graph.add("Add", weighed, graph.constant(np.array(scores.base)[None, :])), scores)
    else:
        found = _converted(graph, estimator, _matrix(graph, traced, binned, bins), narrow=narrow, convert=convert)
    graph.name("Identity", "scores", found)
    classes = about["classes"]
    if classes is not None:
        graph.name("Gather", "label", graph.constant(_classes(classes)), graph.add("ArgMax", found, axis=1, keepdims=0))
    return graph.finish(binned, classes, about=about), binned


def _classes(classes: Sequence[Any]) -> Any:
    texts = isinstance(classes[0], str)
    return np.array(classes, dtype=object if texts else None)


def _bin(graph: Writer, each: Any) -> str:
    """Add nodes for the bin of an input in each row, shape (rows,), and return their output."""
    flat = graph.constant(np.array([-1]))
    if each.is_string:
        if any(text.startswith(NULL) for text in each.known):
            raise NotCompilableError(f"'{each.name}' has a category that begins like the encoding of null")
        texts = [*each.known, NULL]
        indices = [*range(len(each.known)), len(each.known) + 1]
        found = graph.add("LabelEncoder", each.name, domain="ai.onnx.ml", keys_strings=texts, values_int64s=indices, default_int64=len(each.known))  # fmt: skip
        return graph.add("Reshape", found, flat)
    missing = graph.add("Reshape", graph.add("IsNaN", each.name), flat)
    null = graph.constant(np.array(each.bins - 1))
    if not len(each.cuts):
        return graph.add("Where", missing, null, graph.constant(np.array(0)))
    # The bin of a number is the number of cuts below it.
    above = graph.add("Cast", graph.add("Less", graph.constant(each.cuts[None, :]), each.name), to=INT64)
    # A product and not a reduction, for whose sake each row would have a block of its own.
    count = graph.add("MatMul", above, graph.constant(np.ones(len(each.cuts), dtype=np.int64)))
    return graph.add("Where", missing, null, count)


def _matrix(graph: Writer, traced: Traced, binned: Binned, bins: Sequence[str]) -> str:
    """Add nodes for the matrix: affine columns are calculated, other columns are read from tables."""
    affine, centres, at_centres = affine_columns(traced)
    parts, order = [], []
    for number, index in enumerate(binned.used):
        own = [column for column, origin in enumerate(traced.origins) if origin.source == index]
        straight = [column for column in own if affine[column]]
        if straight:
            name = binned.inputs[number].name
            slopes = np.array([[traced.origins[column].slope for column in straight]])
            apart = graph.add("Sub", name, graph.constant(centres[[index]]))
            line = graph.add("Add", graph.add("Mul", apart, graph.constant(slopes)), graph.constant(at_centres[straight]))  # fmt: skip
            null = graph.constant(binned.values[index].columns(straight)[-1:])
            parts.append(graph.add("Where", graph.add("IsNaN", name), null, line))
        if stepped := [column for column in own if not affine[column]]:
            table = graph.constant(binned.values[index].columns(stepped))
            parts.append(graph.add("Gather", table, bins[number], axis=0))
        order += [*straight, *stepped]
    return graph.add("Gather", graph.add("Concat", *parts, axis=1), graph.constant(np.argsort(order)), axis=1)


def _linked(graph: Writer, sums: str, scores: Ensemble | Linear) -> str:
    link, outputs = scores.link, len(scores.base)
    if link == "identity":
        return sums
    if link == "decision" and outputs == 1:
        return _both(graph, graph.add("Cast", graph.add("Greater", sums, graph.constant(np.array(0.0))), to=DOUBLE))
    if link == "decision":
        return _one_hot(graph, graph.add("ArgMax", sums, axis=1, keepdims=1), np.arange(outputs))
    if link == "exp":
        return graph.add("Exp", sums)
    if link == "softmax":
        return graph.add("Softmax", sums, axis=1)
    if link == "expit of twice":
        sums = graph.add("Mul", sums, graph.constant(np.array(2.0)))
    return _both(graph, graph.add("Sigmoid", sums))


def _both(graph: Writer, positive: str) -> str:
    return graph.add("Concat", graph.add("Sub", graph.constant(np.array(1.0)), positive), positive, axis=1)


def _one_hot(graph: Writer, chosen: str, among: Any) -> str:
    return graph.add("Cast", graph.add("Equal", chosen, graph.constant(among[None, :])), to=DOUBLE)


def _converted(graph: Writer, estimator: Any, matrix: str, *, narrow: bool, convert: Convert) -> str:
    """Add nodes for an estimator that skl2onnx converts, and return the scores."""
    import onnx

    classes = getattr(estimator, "classes_", None)
    probabilistic = classes is not None and hasattr(estimator, "predict_proba")
    if hasattr(estimator, "flatten_transform"):
        # flatten_transform changes the output of `transform` only, but skl2onnx supports just one value.
        estimator = copy(estimator).set_params(flatten_transform=False)
    found = convert(estimator)[1 if narrow else 0]
    if isinstance(found, str):
        raise NotCompilableError(found)
    model = onnx.load_from_string(found)
    given = graph.add("Cast", matrix, to=FLOAT) if narrow else matrix
    outputs = graph.include(model, given)
    if classes is None or probabilistic:
        return graph.add("Cast", outputs[-1], to=DOUBLE)
    label = graph.add("Reshape", outputs[0], graph.constant(np.array([-1, 1])))
    return _one_hot(graph, label, _classes(classes.tolist()))
