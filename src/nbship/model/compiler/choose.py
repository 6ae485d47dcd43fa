"""Choose the way in which a package answers: the fastest that is proven to answer as scikit-learn does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import sklearn

from ...errors import CorruptPackageError, NotCompilableError
from ..backends import (
    BOUND,
    ONNX,
    TABLES,
    Input,
    dump_tables,
    finds_outliers,
    input_of,
    scores_of,
    steps_of,
    targets_of,
)
from ..features import ColumnFeatures
from ..signature import Column, Columns, Signature, compute
from .averaging import compile_model
from .estimators import Ensemble, read_scores
from .parity import ROWS, generate_rows, largest_difference
from .trace import Traced, trace_features, trace_fields

__all__ = ["TESTED", "Choice", "choose_path", "export_onnx"]

# The oldest and the newest scikit-learn whose fitted estimators the compiler is tested with.
TESTED = ((1, 7), (1, 9))


@dataclass(frozen=True)
class Choice:
    """How a package answers, and why.

    Attributes
    ----------
    name
        "tables", "onnx" or "sklearn".
    files
        The file that this path reads, beside the fitted estimator: `tables.npz`, `model.onnx`, or none.
    report
        What `acceptance.json` says of it: `path`, the proof, and why faster paths were not taken.
    """

    name: str
    files: Mapping[str, bytes]
    report: Mapping[str, Any]


@dataclass(frozen=True)
class _Model:
    """A fitted estimator, as the compiler and the converter take it.

    Attributes
    ----------
    steps
        After the feature function, if there is one.
    trace
        Traces steps to the inputs.
    expected
        Columns of the inputs -> the scores that the estimator gives.
    real
        Values of the inputs.
    about
        Classes, and the name of the feature function.
    nullable, closed
        Inputs that may be null (None: all), and those of which no other text may come.
    truths
        Inputs that are false or true: no number lies between.
    """

    steps: Sequence[Any]
    trace: Callable[[Sequence[Any]], Traced]
    expected: Callable[[Columns], Column]
    real: Columns
    about: Mapping[str, Any]
    nullable: Set[str] | None
    closed: Set[str]
    truths: Set[str] = frozenset()


def choose_path(estimator: Any, signature: Signature, *, columns: Columns, code: Mapping[str, bytes]) -> Choice:
    """Compile an estimator, or else convert it, and compare it with itself on generated rows.

    Parameters
    ----------
    columns
        The training rows: what generated rows are drawn from, beside the ends of the tables' bins.
    code
        The package's modules, path -> source; the feature function must be in one of them.
    """
    report: dict[str, Any] = {}
    try:
        model = _read(estimator, signature, columns=columns, code=code)
    except Exception as error:
        return Choice("sklearn", {}, {"path": "sklearn", "tables": f"Not compiled: {_reason(error)}."})
    ways = {"tables": (TABLES, "compiled", _compile), "onnx": (ONNX, "converted", _convert_faster)}
    for name, (file, done, make) in ways.items():
        try:
            data, most = make(model)
        except Exception as error:
            report[name] = f"Not {done}: {_reason(error)}."
            continue
        if most <= BOUND[name]:
            proof = {"rows": ROWS, "largest_difference": most, "bound": BOUND[name]}
            return Choice(name, {file: data}, {"path": name, "proof": proof, **report})
        report[name] = f"Not proven: answers differ by up to {most:.1e}."
    return Choice("sklearn", {}, {"path": "sklearn", **report})


def _reason(error: Exception) -> str:
    """Return, as a clause, why an estimator does not compile.

    The compiler reads attributes of fitted estimators that are not public. Where another scikit-learn has changed
    them, whatever error that gives means the same: scikit-learn itself must answer, which it always can.
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
    """Return an estimator as an ONNX graph, and how far its answers differ on generated rows.

    Raises
    ------
    NotCompilableError
        With the reason.
    """
    try:
        return _convert(_read(estimator, signature, columns=columns, code=code))
    except NotCompilableError:
        raise
    except Exception as error:
        raise NotCompilableError(_reason(error)) from error


def _compile(model: _Model) -> tuple[bytes, float]:
    """Return the bytes of tables, and how far their answers differ from the estimator's."""
    tables = compile_model(model.steps, model.trace)
    rows = _rows(model, tables.inputs, exact=tables.compares)
    most = largest_difference(tables.scores([rows[each.name] for each in tables.inputs]), model.expected(rows))
    return dump_tables(tables, model.about), most


def _convert_faster(model: _Model) -> tuple[bytes, float]:
    """Convert what a graph answers sooner than scikit-learn does."""
    last = model.steps[-1]
    if type(last).__module__.startswith("sklearn.neighbors."):
        raise NotCompilableError("a graph would compare every row with all that were learned, which is slower")
    try:
        trees = isinstance(read_scores(last), Ensemble)
    except NotCompilableError:
        trees = False
    if trees:
        raise NotCompilableError("a graph of trees that do not fit into tables is slower than scikit-learn")
    return _convert(model)


def _convert(model: _Model) -> tuple[bytes, float]:
    """Return the bytes of an ONNX graph, and how far its answers differ from the estimator's."""
    if find_spec("onnx") is None or find_spec("onnxruntime") is None or find_spec("skl2onnx") is None:
        raise NotCompilableError("that needs `pip install 'nbship[onnx]'`")
    from ..backends import Graph
    from .onnx_graph import draw

    traced, last = _most_traced(model)
    about = {**model.about, "probabilistic": hasattr(last, "predict_proba")}
    found: list[tuple[float, bytes]] = []
    reason = NotCompilableError("no conversion was tried")
    for narrow in (False, True):
        try:
            data, binned = draw(last, traced, about=about, narrow=narrow)
            rows = _rows(model, binned.inputs, exact=False)
            found.append((largest_difference(Graph(data).scores(rows), model.expected(rows)), data))
        except (NotCompilableError, CorruptPackageError) as error:
            reason = NotCompilableError(str(error).removesuffix("."))
        # Float32 is for what double precision cannot do.
        if found and found[-1][0] <= BOUND["onnx"]:
            break
    if not found:
        raise reason
    most, data = min(found)
    return data, most


def _most_traced(model: _Model) -> tuple[Traced, Any]:
    """Return as many steps traced as can be, and the rest as one estimator."""
    from sklearn.pipeline import Pipeline

    for split in range(len(model.steps) - 1, -1, -1):
        rest = model.steps[split:]
        last = rest[0] if len(rest) == 1 else Pipeline([(str(place), step) for place, step in enumerate(rest)])
        try:
            return model.trace([*model.steps[:split], last]), last
        except NotCompilableError as error:
            reason = error
    raise reason


def _read(estimator: Any, signature: Signature, *, columns: Columns, code: Mapping[str, bytes]) -> _Model:
    steps = steps_of(estimator)
    if finds_outliers(estimator):
        raise NotCompilableError(f"{type(steps[-1]).__name__} finds outliers")
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, list) or any(output.target for output in signature.outputs):
        raise NotCompilableError("it has several outputs")
    about: dict[str, Any] = {"classes": None if classes is None else np.asarray(classes).tolist(), "function": None}
    if isinstance(steps[0], ColumnFeatures):
        features = steps[0]
        about["function"] = _function_name(features, code)
        if len(steps) < 2:
            raise NotCompilableError("there is no estimator after the feature function")

        def trace(given: Sequence[Any]) -> Traced:
            return trace_features(given, features.categories_, features.numbers_)

        def expected(rows: Columns) -> Column:
            return _scores(estimator[1:], features.encode(rows))

        return _Model(steps[1:], trace, expected, compute(features.function, columns), about, None, set())

    def frame(given: Columns) -> Any:
        typed = {
            name: column > 0.5 if signature[name].dtype == "bool" and not signature[name].nullable else column
            for name, column in given.items()
        }
        return input_of(estimator, {**_blank(signature, len(next(iter(given.values())))), **typed}, signature)

    return _Model(
        steps,
        lambda given: trace_fields(given, signature, frame=frame),
        lambda rows: _scores(estimator, frame(rows)),
        columns,
        about,
        {field.name for field in signature.inputs if field.nullable},
        {field.name for field in signature.inputs if field.categories and not field.open},
        {field.name for field in signature.inputs if field.dtype == "bool"},
    )


def _function_name(features: ColumnFeatures, code: Mapping[str, bytes]) -> str:
    name = f"{features.function.__module__}:{getattr(features.function, '__qualname__', '')}"
    module = name.partition(":")[0].replace(".", "/")
    if "<" in name or not {f"{module}.py", f"{module}/__init__.py"} & code.keys():
        raise NotCompilableError("the feature function is not one of the project's modules")
    return name


def _rows(model: _Model, inputs: Sequence[Input], *, exact: bool) -> dict[str, Column]:
    found = generate_rows(inputs, model.real, nullable=model.nullable, closed=model.closed, exact=exact)
    for name in model.truths & found.keys():
        found[name] = np.where(np.isnan(found[name]), np.nan, found[name] > 0.5)
    return found


def _blank(signature: Signature, rows: int) -> dict[str, Column]:
    """Return columns of every field, for those that the tables do not take."""
    found: dict[str, Column] = {}
    for field in signature.inputs:
        if field.dtype == "datetime":
            found[field.name] = np.zeros(rows, dtype="datetime64[us]")
        elif field.dtype in ("string", "category"):
            found[field.name] = np.full(rows, (field.categories or ("",))[0], dtype=object)
        else:
            found[field.name] = np.zeros(rows)
    return found


def _scores(estimator: Any, data: Any) -> Column:
    from sklearn import config_context

    with config_context(assume_finite=True), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return scores_of(estimator, targets_of(estimator, several=1), data)
