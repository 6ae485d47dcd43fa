"""A fitted estimator as the compiler reads it: its steps, what it answers, and rows to compare a compiled form on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ...text import first_line
from ..backends import Input, classes_of, finds_outliers, input_of, scores_of, steps_of, targets_of
from ..features import ColumnFeatures
from ..signature import Column, Columns, Field, OutputReader, Signature, as_trained, compute
from .parity import generate_rows, largest_difference
from .trace import Traced, trace_features, trace_fields

__all__ = ["FittedModel", "read_model"]


@dataclass(frozen=True)
class FittedModel:
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

    def generate(self, inputs: Sequence[Input], *, exact: bool) -> dict[str, Column]:
        """Generate rows that the signature allows."""
        found = generate_rows(inputs, self.real, nullable=self.nullable, closed=self.closed, exact=exact)
        for name, column in found.items():
            field = self.fields.get(name)
            if field is not None and field.dtype == "bool":
                found[name] = np.where(np.isnan(column), np.nan, column > 0.5)
            elif field is not None and field.dtype in ("int", "float"):
                low, high = (None if limit is None else float(limit) for limit in (field.minimum, field.maximum))
                found[name] = as_trained(field, column if low is None and high is None else np.clip(column, low, high))
        return found

    def difference(self, given: Column, rows: Columns) -> float:
        """Return the largest difference of scores from those of the estimator; inf if a label differs."""
        try:
            expected, labels = self.expected(rows)
        except ValueError as error:
            # For example a logarithm that is infinite. The minimum of a field prevents it.
            raise NotCompilableError(
                f"the estimator rejects a row that the signature allows: {first_line(error)}"
            ) from error
        if self.outputs is not None and labels is not None:
            predicted = self.outputs.read(given).label
            if predicted is not None and (predicted != labels).any():
                return float("inf")
        return largest_difference(given, expected)


def read_model(estimator: Any, signature: Signature, *, columns: Columns, code: Mapping[str, bytes]) -> FittedModel:
    """Prepare a fitted estimator.

    Parameters
    ----------
    columns
        The training rows.
    code
        The package's modules, path -> source; the feature function must be in one of them.

    Raises
    ------
    NotCompilableError
        If it finds outliers, has several targets, or its feature function is not in `code`.
    """
    steps = steps_of(estimator)
    if finds_outliers(estimator):
        raise NotCompilableError(f"{type(steps[-1]).__name__} is an outlier detector")
    classes = classes_of(estimator)
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

        return FittedModel(
            steps[1:], trace, expected, outputs, compute(features.function, columns), about, None, set(), {}
        )

    def frame(given: Columns) -> Any:
        typed = {
            name: column > 0.5 if signature[name].dtype == "bool" and not signature[name].nullable else column
            for name, column in given.items()
        }
        return input_of(estimator, {**_blank(signature, len(next(iter(given.values())))), **typed}, signature)

    return FittedModel(
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
