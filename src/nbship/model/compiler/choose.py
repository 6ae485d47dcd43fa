"""Choose the backend of a package: the fastest whose scores are proven to be those of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import sklearn

from ...errors import CorruptPackageError, NotCompilableError
from ...text import first_line
from ..backends import (
    BOUND,
    NODES,
    ONNX,
    TABLES,
    Blend,
    Input,
    Nodes,
    Tables,
    dump_tables,
    finds_outliers,
    input_of,
    nested,
    scores_of,
    steps_of,
    targets_of,
)
from ..features import ColumnFeatures
from ..signature import Column, Columns, Field, OutputReader, Signature, as_trained, compute
from .averaging import compile_model
from .compile import compile_tables
from .estimators import Ensemble, read_scores
from .nodes import compile_nodes
from .parity import ROWS, generate_rows, largest_difference
from .trace import Traced, trace_features, trace_fields

__all__ = ["TESTED", "Choice", "choose_backend", "export_onnx"]

# The oldest and the newest scikit-learn whose fitted estimators the compiler is tested with.
TESTED = ((1, 7), (1, 9))


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


@dataclass(frozen=True)
class _Model:
    """A fitted estimator, prepared for the compiler and the ONNX converter.

    Attributes
    ----------
    steps
        The steps after the feature function, or all steps.
    trace
        The function that traces steps back to the inputs.
    expected
        The function from columns of the inputs to the scores of the estimator, and its labels, which are None for a
        model without classes.
    outputs
        Reads labels off the scores of a backend; None for a model without classes.
    real
        Training values of the inputs.
    about
        The classes, and the name of the feature function.
    nullable, closed
        The nullable inputs (None: all), and the categories that are not open.
    fields
        Name -> field, of inputs that are fields.
    """

    steps: Sequence[Any]
    trace: Callable[[Sequence[Any]], Traced]
    expected: Callable[[Columns], tuple[Column, Column | None]]
    outputs: OutputReader | None
    real: Columns
    about: Mapping[str, Any]
    nullable: Set[str] | None
    closed: Set[str]
    fields: Mapping[str, Field]


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
        model = _read(estimator, signature, columns=columns, code=code)
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
            report[name] = f"Not proven: {found}."
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
    what = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"
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
        return _convert(_read(estimator, signature, columns=columns, code=code))
    except NotCompilableError:
        raise
    except Exception as error:
        raise NotCompilableError(_reason(error)) from error


def _compile(model: _Model) -> tuple[bytes, float]:
    """Return the bytes of lookup tables, and the largest difference of their scores."""
    return _compared(compile_model(model.steps, model.trace, compile_tables), model)


def _compile_large(model: _Model) -> tuple[bytes, float]:
    """Return the bytes of a model with trees that are too large for lookup tables, and the largest difference."""
    nodes = compile_model(model.steps, model.trace, compile_nodes)
    if not nodes.walked_trees:
        raise NotCompilableError("it has no trees that are too large for tables")
    return _compared(nodes, model)


def _compared(tables: Tables | Nodes | Blend, model: _Model) -> tuple[bytes, float]:
    rows = _rows(model, tables.inputs, exact=tables.compares)
    most = _difference(model, tables.scores([rows[each.name] for each in tables.inputs]), rows)
    return dump_tables(tables, model.about), most


def _difference(model: _Model, given: Column, rows: Columns) -> float:
    """Return the largest difference of scores from those of the estimator; inf if a label differs."""
    try:
        expected, labels = model.expected(rows)
    except ValueError as error:
        # For example a logarithm that is infinite. The minimum of a field prevents it.
        raise NotCompilableError(
            f"the estimator rejects a row that the signature allows: {first_line(error)}"
        ) from error
    if model.outputs is not None and labels is not None:
        predicted = model.outputs.read(given).label
        if predicted is not None and (predicted != labels).any():
            return float("inf")
    return largest_difference(given, expected)


def _convert_faster(model: _Model) -> tuple[bytes, float]:
    """Convert an estimator that is faster as an ONNX graph than in scikit-learn."""
    last = model.steps[-1]
    if type(last).__module__.startswith("sklearn.neighbors."):
        raise NotCompilableError(
            "as a graph, nearest neighbors compare every row with all training rows, which is slower"
        )
    try:
        trees = isinstance(read_scores(last), Ensemble)
    except NotCompilableError:
        trees = False
    if trees:
        raise NotCompilableError("as a graph, trees that are too large for tables are slower than scikit-learn")
    if any(hasattr(each, "tree_") or hasattr(each, "_predictors") for each in nested(last)):
        raise NotCompilableError("as a graph, trees compare numbers that are not rounded to float32")
    return _convert(model)


def _convert(model: _Model) -> tuple[bytes, float]:
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
            rows = _rows(model, binned.inputs, exact=False)
            found.append((_difference(model, Graph(data).scores(rows), rows), data))
        except (NotCompilableError, CorruptPackageError) as error:
            reason = NotCompilableError(str(error).removesuffix("."))
        # Float32 is only for estimators that skl2onnx cannot convert in double precision.
        if found and found[-1][0] <= BOUND["onnx"]:
            break
    if not found:
        raise reason
    most, data = min(found)
    return data, most


def _most_traced(model: _Model) -> tuple[Traced, Any]:
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


def _read(estimator: Any, signature: Signature, *, columns: Columns, code: Mapping[str, bytes]) -> _Model:
    steps = steps_of(estimator)
    if finds_outliers(estimator):
        raise NotCompilableError(f"{type(steps[-1]).__name__} is an outlier detector")
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, list) or any(output.target for output in signature.outputs):
        raise NotCompilableError("it has several targets")
    targets = targets_of(estimator, several=1)
    if len(targets) > 1:
        raise NotCompilableError("it has several targets")
    # The label of a backend is the class of its largest score, or that of the signature's threshold.
    outputs = None if classes is None else OutputReader(signature, [replace(targets[0], labels=None)])
    about: dict[str, Any] = {"classes": None if classes is None else np.asarray(classes).tolist(), "function": None}
    if isinstance(steps[0], ColumnFeatures):
        features = steps[0]
        about["function"] = _function_name(features, code)
        if len(steps) < 2:
            raise NotCompilableError("there is no estimator after the feature function")

        def trace(given: Sequence[Any]) -> Traced:
            return trace_features(given, features.categories_, features.numbers_)

        after = _after_features(estimator)

        def expected(rows: Columns) -> tuple[Column, Column | None]:
            return _ask(after, features.encode(rows), signature)

        return _Model(steps[1:], trace, expected, outputs, compute(features.function, columns), about, None, set(), {})

    def frame(given: Columns) -> Any:
        typed = {
            name: column > 0.5 if signature[name].dtype == "bool" and not signature[name].nullable else column
            for name, column in given.items()
        }
        return input_of(estimator, {**_blank(signature, len(next(iter(given.values())))), **typed}, signature)

    return _Model(
        steps,
        lambda given: trace_fields(given, signature, frame=frame),
        lambda rows: _ask(estimator, frame(rows), signature),
        outputs,
        columns,
        about,
        {field.name for field in signature.inputs if field.nullable},
        {field.name for field in signature.inputs if field.categories and not field.open},
        {field.name: field for field in signature.inputs},
    )


def _after_features(estimator: Any) -> Any:
    """Return a pipeline without its feature function."""
    if type(estimator).__name__ == "FixedThresholdClassifier":
        rest = copy(estimator)
        rest.estimator_ = _after_features(estimator.estimator_)
        return rest
    return estimator[1:]


def _function_name(features: ColumnFeatures, code: Mapping[str, bytes]) -> str:
    name = f"{features.function.__module__}:{getattr(features.function, '__qualname__', '')}"
    module = name.partition(":")[0].replace(".", "/")
    if "<" in name or not {f"{module}.py", f"{module}/__init__.py"} & code.keys():
        raise NotCompilableError("the feature function is not one of the project's modules")
    return name


def _rows(model: _Model, inputs: Sequence[Input], *, exact: bool) -> dict[str, Column]:
    """Generate rows that the signature allows."""
    found = generate_rows(inputs, model.real, nullable=model.nullable, closed=model.closed, exact=exact)
    for name, column in found.items():
        field = model.fields.get(name)
        if field is not None and field.dtype == "bool":
            found[name] = np.where(np.isnan(column), np.nan, column > 0.5)
        elif field is not None and field.dtype in ("int", "float"):
            low, high = (None if limit is None else float(limit) for limit in (field.minimum, field.maximum))
            found[name] = as_trained(field, column if low is None and high is None else np.clip(column, low, high))
    return found


def _blank(signature: Signature, rows: int) -> dict[str, Column]:
    """Return placeholder columns for all fields, for those that the model does not use."""
    found: dict[str, Column] = {}
    for field in signature.inputs:
        if field.dtype == "datetime":
            found[field.name] = np.zeros(rows, dtype="datetime64[us]")
        elif field.dtype in ("string", "category"):
            found[field.name] = np.full(rows, (field.categories or ("",))[0], dtype=object)
        else:
            found[field.name] = np.zeros(rows)
    return found


def _ask(estimator: Any, data: Any, signature: Signature) -> tuple[Column, Column | None]:
    """Return the scores of an estimator, and its labels."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        targets = targets_of(estimator, several=1)
        scores = scores_of(estimator, targets, data)[:, : targets[-1].stop]
        if targets[0].classes is None:
            return scores, None
        label = signature.output("label")
        if label is not None and label.threshold is not None:
            return scores, OutputReader(signature, [replace(targets[0], labels=None)]).read(scores).label
        return scores, np.asarray(estimator.predict(data)).reshape(len(scores))
