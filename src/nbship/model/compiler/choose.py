"""Choose the backend of a package: the fastest whose scores are proven to be those of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import sklearn

from ...errors import CorruptPackageError, NotCompilableError
from ...text import first_line
from ..backends import (
    BOUND,
    NODES,
    ONNX,
    TABLES,
    Blend,
    Layers,
    Nodes,
    Tables,
    dump_tables,
    nested,
)
from ..signature import Columns, Signature
from .averaging import compile_model
from .compile import compile_tables
from .estimators import Ensemble, read_scores
from .fitted_model import FittedModel, read_model
from .nodes import compile_nodes
from .parity import ROWS
from .trace import Traced

__all__ = ["TESTED", "Choice", "choose_backend", "export_onnx"]

# The oldest and the newest scikit-learn whose fitted estimators the compiler is tested with.
TESTED = ((1, 7), (1, 9))


# Modules of estimators that compare a row with the training rows.
_COMPARING = ("sklearn.neighbors.", "sklearn.gaussian_process.")


@dataclass(frozen=True)
class Choice:
    """The backend of a package, and the reason.

    Attributes
    ----------
    name
        "tables", "nodes", "onnx" or "sklearn".
    files
        The file of the backend: `tables.npz`, `nodes.npz`, `model.onnx`, or none for "sklearn".
    report
        For `acceptance.json`: `path` (the backend), the proof, and why faster backends were not chosen.
    """

    name: str
    files: Mapping[str, bytes]
    report: Mapping[str, Any]


def choose_backend(
    estimator: Any,
    signature: Signature,
    *,
    columns: Columns,
    code: Mapping[str, bytes],
    differing: Callable[[Mapping[str, bytes]], Exception | None] = lambda _: None,
) -> Choice:
    """Compile an estimator, or convert it to ONNX, and compare the scores on generated rows.

    Parameters
    ----------
    columns
        The training rows. Generated rows combine their values with the ends of bins.
    code
        The package's modules, path -> source; the feature function must be in one of them.
    differing
        Returns the difference from the estimator on the original training rows, given the file of a backend; None if
        there is none.
    """
    report: dict[str, Any] = {}
    try:
        model = read_model(estimator, signature, columns=columns, code=code)
    except Exception as error:
        return Choice("sklearn", {}, {"path": "sklearn", "tables": f"Not compiled: {_reason(error)}."})
    candidates = {
        "tables": (TABLES, "compiled", _compile),
        "nodes": (NODES, "compiled", _compile_large),
        "onnx": (ONNX, "converted", _convert_faster),
    }
    for name, (file, done, build) in candidates.items():
        try:
            data, most = build(model)
        except Exception as error:
            report[name] = f"Not {done}: {_reason(error)}."
            continue
        if most <= BOUND[name] and (found := differing({file: data})) is not None:
            report[name] = f"Not proven: {str(found).rstrip('.')}."
        elif most <= BOUND[name]:
            proof = {"rows": ROWS, "largest_difference": most, "bound": BOUND[name]}
            return Choice(name, {file: data}, {"path": name, "proof": proof, **report})
        else:
            report[name] = f"Not proven: {_apart(most)}."
    return Choice("sklearn", {}, {"path": "sklearn", **report})


def _apart(most: float) -> str:
    return "labels differ" if most == float("inf") else f"outputs differ by up to {most:.1e}"


def _reason(error: Exception) -> str:
    """Return the reason why an estimator does not compile, as a clause.

    The compiler reads private attributes of fitted estimators. Another version of scikit-learn may have changed them,
    with any exception as the result. The package then uses the scikit-learn backend, which always works.
    """
    if isinstance(error, NotCompilableError):
        return str(error)
    what = f"{type(error).__name__}: {first_line(error).rstrip('.')}"
    version = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
    if not TESTED[0] <= version <= TESTED[1]:
        low, high = (".".join(map(str, each)) for each in TESTED)
        return f"the compiler was tested with scikit-learn {low} to {high}, not with {sklearn.__version__} ({what})"
    return f"the compiler does not know this estimator ({what})"


def export_onnx(
    estimator: Any, signature: Signature, *, columns: Columns, code: Mapping[str, bytes]
) -> tuple[bytes, float]:
    """Return an estimator as an ONNX graph, and the largest difference of its scores on generated rows.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    try:
        return _convert(read_model(estimator, signature, columns=columns, code=code))
    except NotCompilableError:
        raise
    except Exception as error:
        raise NotCompilableError(_reason(error)) from error


def _compile(model: FittedModel) -> tuple[bytes, float]:
    """Return the bytes of lookup tables, and the largest difference of their scores."""
    return _compared(compile_model(model.steps, model.trace, compile_tables), model)


def _compile_large(model: FittedModel) -> tuple[bytes, float]:
    """Return the bytes of a model with trees that are too large for lookup tables, and the largest difference."""
    nodes = compile_model(model.steps, model.trace, compile_nodes)
    if not nodes.walked_trees:
        raise NotCompilableError("it has no trees that are too large for tables")
    return _compared(nodes, model)


def _compared(tables: Tables | Nodes | Layers | Blend, model: FittedModel) -> tuple[bytes, float]:
    rows = model.generate(tables.inputs, exact=tables.compares)
    most = model.difference(tables.scores([rows[each.name] for each in tables.inputs]), rows)
    return dump_tables(tables, model.about), most


def _convert_faster(model: FittedModel) -> tuple[bytes, float]:
    """Convert an estimator that is faster as an ONNX graph than in scikit-learn."""
    last = model.steps[-1]
    if any(type(each).__module__.startswith(_COMPARING) for each in nested(model.steps)):
        raise NotCompilableError("as a graph, comparing every row with all training rows is slower")
    try:
        trees = isinstance(read_scores(last), Ensemble)
    except NotCompilableError:
        trees = False
    if trees:
        raise NotCompilableError("as a graph, trees that are too large for tables are slower than scikit-learn")
    if any(hasattr(each, "tree_") or hasattr(each, "_predictors") for each in nested(last)):
        raise NotCompilableError("as a graph, trees compare numbers that are not rounded to float32")
    data, most = _convert(model)
    if b"Reduce" in data:
        raise NotCompilableError(
            "as a graph with reductions, which takes one row at a time, it is slower for many rows"
        )
    return data, most


def _convert(model: FittedModel) -> tuple[bytes, float]:
    """Return the bytes of an ONNX graph, and the largest difference of its scores."""
    if find_spec("onnx") is None or find_spec("onnxruntime") is None or find_spec("skl2onnx") is None:
        raise NotCompilableError("conversion to ONNX needs `pip install 'nbship[onnx]'`")
    from ..backends import Graph
    from .conversion import convert
    from .onnx_graph import build_graph

    traced, last = _most_traced(model)
    about = {**model.about, "probabilistic": hasattr(last, "predict_proba")}
    convert_once = lru_cache(maxsize=1)(convert)
    found: list[tuple[float, bytes]] = []
    reason = NotCompilableError("no conversion was tried")
    for narrow in (False, True):
        try:
            data, binned = build_graph(last, traced, about=about, narrow=narrow, convert=convert_once)
            rows = model.generate(binned.inputs, exact=False)
            found.append((model.difference(Graph(data).scores(rows), rows), data))
        except (NotCompilableError, CorruptPackageError) as error:
            reason = NotCompilableError(str(error).removesuffix("."))
        # Float32 is only for estimators that skl2onnx cannot convert in double precision.
        if found and found[-1][0] <= BOUND["onnx"]:
            break
    if not found:
        raise reason
    most, data = min(found)
    return data, most


def _most_traced(model: FittedModel) -> tuple[Traced, Any]:
    """Trace as many steps as possible, and return the other steps as one estimator."""
    from sklearn.pipeline import Pipeline

    for split in range(len(model.steps) - 1, -1, -1):
        rest = model.steps[split:]
        last = rest[0] if len(rest) == 1 else Pipeline([(str(index), step) for index, step in enumerate(rest)])
        try:
            return model.trace([*model.steps[:split], last]), last
        except NotCompilableError as error:
            reason = error
    raise reason
