"""The backends that compute the scores of a packaged model: lookup tables, nodes of trees, ONNX and scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .averages import INVERSES, Blend, Calibration, Member
    from .boosters import libraries_in, library_of
    from .inner import nested, steps_of
    from .layers import Layer, Layers
    from .lookup_tables import Input, Tables, available_cores, limit_cores
    from .nodes import Nodes
    from .onnx import ABOUT, NULL, Graph, Onnx
    from .scores import classes_of, finds_outliers, scores_of, targets_of
    from .sklearn import Fitted, input_of, match_fitted_names
    from .skops_file import dump_estimator, load_estimator_bytes, types_in
    from .tables import Compiled
    from .tables_file import dump_tables
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "ABOUT",
    "BOUND",
    "FILES",
    "FLOAT32_BOUND",
    "INVERSES",
    "NODES",
    "NULL",
    "ONNX",
    "TABLES",
    "Blend",
    "Calibration",
    "Compiled",
    "Fitted",
    "Graph",
    "Input",
    "Layer",
    "Layers",
    "Member",
    "Nodes",
    "Onnx",
    "Tables",
    "available_cores",
    "classes_of",
    "dump_estimator",
    "dump_tables",
    "finds_outliers",
    "input_of",
    "libraries_in",
    "library_of",
    "limit_cores",
    "load_estimator_bytes",
    "match_fitted_names",
    "nested",
    "scores_of",
    "steps_of",
    "targets_of",
    "types_in",
]


# The files that a package has if its backend needs them.
TABLES = "tables.npz"
NODES = "nodes.npz"
ONNX = "model.onnx"
# Backend -> its file; the scikit-learn backend has none but the estimator.
FILES = {"tables": TABLES, "nodes": NODES, "onnx": ONNX}

# Backend -> the largest allowed difference from scikit-learn: absolute for numbers up to 1, such as probabilities, and
# relative for larger ones.
BOUND = {"tables": 1e-12, "nodes": 1e-12, "onnx": 1e-6, "sklearn": 1e-12}
# For estimators whose matrix products are in float32: scikit-learn's own answers for a row, alone and among others,
# differ by as much.
FLOAT32_BOUND = 1e-4
