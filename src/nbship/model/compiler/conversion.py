"""Conversion by skl2onnx in a process of its own, with limits of time and memory.

A conversion can loop for ever, or ask for all memory, on an estimator that it was not written for. The process reads
a pickled estimator from standard input and writes two graphs to standard output, in double and in single precision.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from functools import lru_cache
from typing import Any

from ...errors import NotCompilableError
from ...text import first_line
from .onnx_writer import OPSET

__all__ = ["convert"]

# In seconds, and in bytes of address space, of which the libraries map some gigabytes.
_TIME, _MEMORY = 120, 16 << 30


def convert(estimator: Any) -> tuple[Any, Any]:
    """Convert a fitted scikit-learn estimator, whose input is a matrix, in double and in single precision.

    Returns
    -------
    tuple
        For each precision the serialized graph, or the reason why there is none, as a clause.

    Raises
    ------
    NotCompilableError
        If the process does not end in time, or dies.
    """
    return _in_child(pickle.dumps(estimator))


@lru_cache(maxsize=4)
def _in_child(pickled: bytes) -> tuple[Any, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=pickled,
            capture_output=True,
            timeout=_TIME,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotCompilableError(f"skl2onnx did not convert it in {_TIME} s") from None
    if done.returncode:
        raise NotCompilableError(f"skl2onnx did not convert it in {_MEMORY >> 30} GB of memory, or failed")
    double, single = pickle.loads(done.stdout)
    return double, single


def _converted(estimator: Any, kind: Any) -> Any:
    import skl2onnx

    probabilistic = getattr(estimator, "classes_", None) is not None and hasattr(estimator, "predict_proba")
    try:
        model = skl2onnx.to_onnx(
            estimator,
            initial_types=[("matrix", kind([None, int(estimator.n_features_in_)]))],
            options={id(estimator): {"zipmap": False}} if probabilistic else None,
            target_opset={"": OPSET, "ai.onnx.ml": 3},
        )
        return model.SerializeToString()
    except Exception as error:
        # skl2onnx has no common base class for its exceptions.
        return f"skl2onnx: {first_line(error, otherwise=type(error).__name__)}"


def _main() -> None:
    output, sys.stdout = sys.stdout.buffer, sys.stderr
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    estimator = pickle.load(sys.stdin.buffer)
    from skl2onnx.common import data_types

    kinds = (data_types.DoubleTensorType, data_types.FloatTensorType)
    output.write(pickle.dumps(tuple(_converted(estimator, kind) for kind in kinds)))


if __name__ == "__main__":
    _main()
