"""The prediction protocols: nbship's own, Open Inference Protocol and MLflow."""

from __future__ import annotations

from .mlflow import invoke
from .native import feedback, lookup, predict
from .open_inference import infer, metadata, server_metadata
from .tensors import DATATYPES, NUMPY

__all__ = [
    "DATATYPES",
    "NUMPY",
    "feedback",
    "infer",
    "invoke",
    "lookup",
    "metadata",
    "predict",
    "server_metadata",
]
