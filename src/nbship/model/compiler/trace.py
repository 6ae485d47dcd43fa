"""Trace the matrix that the last step of a fitted pipeline receives back to the inputs of the pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ...text import first_line
from ..backends import library_of
from ..signature import Signature, number_type
from .column_origins import Origin, Source, trace

__all__ = ["UNSEEN", "Traced", "affine_columns", "objects", "trace_features", "trace_fields"]

# Represents every string that no transformer knows.
UNSEEN = "\x00unseen"
Transform = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Traced:
    """A fitted pipeline up to its last step, with the origin of each column of the matrix.

    Attributes
    ----------
    sources, origins
        The inputs, and the origin of each column of the matrix.
    values_of
        The function from an array for each source to the matrix, dense or sparse; scikit-learn calculates it.
    domains
        String source -> its possible strings.
    nullable
        The nullable sources.
    """

    sources: Sequence[Source]
    origins: Sequence[Origin]
    values_of: Transform
    domains: Mapping[int, list[str]]
    nullable: set[int]

    def is_unchanged(self, column: int) -> bool:
        """Return whether a column of the matrix has the numbers of its source, bit for bit."""
        origin = self.origins[column]
        return origin.same and not self.sources[origin.source].is_rounded

    def first_string(self, index: int) -> str | None:
        """Return a possible string of a source."""
        return next(iter(self.domains.get(index, [])), None)


def trace_fields(steps: Sequence[Any], signature: Signature, *, frame: Callable[[Mapping[str, Any]], Any]) -> Traced:
    """Trace a pipeline whose input is a frame with the fields of the signature.

    Parameters
    ----------
    steps
        Fitted transformers, and the estimator as the last step.
    frame
        The function from arrays of strings (object) and numbers (float64) to the frame for the pipeline.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    # Timestamps cannot be inputs of a table; scikit-learn cannot use them without a feature function either.
    sources = [
        Source(
            field.name,
            is_string=field.dtype in ("string", "category", "datetime"),
            is_rounded=field.dtype == "float" and number_type(field.training_dtype) is not None,
        )
        for field in signature.inputs
    ]
    origins = [Origin(index) for index in range(len(sources))]
    origins = _traced(steps, origins, sources)
    used = {origin.source for origin in origins}
    for index in sorted(used):
        if signature.inputs[index].dtype == "datetime":
            raise NotCompilableError(
                f"field '{sources[index].name}' is a timestamp, which only a feature function can use"
            )
    # No row has a smaller number, so that transformers never receive one.
    least: dict[int, float] = {}
    for index in used:
        if sources[index].is_positive:
            least[index] = float(signature.inputs[index].minimum or 0)
            if not least[index] > 0:
                raise NotCompilableError(f"field '{sources[index].name}' has no minimum above 0, which Box-Cox needs")
    domains: dict[int, list[str]] = {}
    for index, field in enumerate(signature.inputs):
        if sources[index].is_string and field.dtype != "datetime":
            closed = field.categories is not None and not field.open
            domains[index] = sorted(field.categories or ()) if closed else [*sorted(sources[index].known), UNSEEN]

    def values_of(columns: Sequence[Any]) -> Any:
        given = {
            index: np.maximum(columns[index], least[index]) if index in least else columns[index] for index in used
        }
        return _through(steps, frame({sources[index].name: column for index, column in given.items()}))

    nullable = {index for index, field in enumerate(signature.inputs) if field.nullable}
    return Traced(sources, origins, values_of, domains, nullable)


def trace_features(steps: Sequence[Any], categories: Mapping[str, Sequence[str]], numbers: Sequence[str]) -> Traced:
    """Trace the steps after a feature function, whose input is a matrix of codes, then numbers.

    Parameters
    ----------
    categories
        String feature -> its strings, in the order of their codes; all other strings share the next code.
    numbers
        The names of the other features.
    """
    sources = [*(Source(name, True) for name in categories), *(Source(name, False) for name in numbers)]
    origins = _traced(steps, [Origin(index) for index in range(len(sources))], sources)
    if any(source.is_positive for source in sources):
        raise NotCompilableError("Box-Cox needs positive numbers, and a feature has no minimum")
    known = list(categories.values())
    domains = {index: [*texts, UNSEEN] for index, texts in enumerate(known)}

    def values_of(columns: Sequence[Any]) -> Any:
        matrix = np.empty((len(columns[0]), len(sources)))
        for index, column in enumerate(columns):
            if index < len(known):
                codes: dict[str | None, float] = {
                    None: np.nan,
                    **{text: float(code) for code, text in enumerate(known[index])},
                }
                column = [codes.get(text, float(len(known[index]))) for text in column]
            matrix[:, index] = column
        return _through(steps, matrix)

    return Traced(sources, origins, values_of, domains, set(range(len(sources))))


def _traced(steps: Sequence[Any], origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    for step in steps[:-1]:
        origins = trace(step, origins, sources)
    inner = getattr(steps[-1], "_preprocessor", None)
    return origins if inner is None else trace(inner, origins, sources)


def _through(steps: Sequence[Any], data: Any) -> Any:
    """Return the input of the last step, as a float64 matrix; a sparse one stays sparse."""
    from sklearn import config_context

    with config_context(assume_finite=True), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            for step in steps[:-1]:
                if step is not None and step != "passthrough":
                    data = step.transform(data)
            if getattr(steps[-1], "_preprocessor", None) is not None:
                data = steps[-1]._preprocess_X(data, reset=False)
            if hasattr(data, "tocsr") and library_of(steps[-1]) == "xgboost":
                raise NotCompilableError("XGBoost takes the zeros of a sparse matrix for null")
            return data.tocsr().astype(np.float64) if hasattr(data, "tocsr") else np.asarray(data, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise NotCompilableError(
                f"a transformer rejects a value that the signature allows: {first_line(error)}"
            ) from error


def affine_columns(traced: Traced) -> tuple[list[bool], Any, Any]:
    """Return whether each column is affine, the centre of each source, and the matrix row at the centres.

    Raises
    ------
    NotCompilableError
        If a column increases with a number and is not affine.
    """
    sources, origins = traced.sources, traced.origins
    affine = [origin.slope is not None and not sources[origin.source].is_string for origin in origins]
    centres = np.zeros(len(sources))
    for column, origin in enumerate(origins):
        if affine[column]:
            centres[origin.source] = origin.centre
        elif origin.rising and not sources[origin.source].is_string:
            raise NotCompilableError("a linear model has a column that is not affine")
    row = [
        objects([traced.first_string(index)]) if source.is_string else centres[[index]]
        for index, source in enumerate(sources)
    ]
    at_centres = traced.values_of(row)
    return affine, centres, (at_centres if isinstance(at_centres, np.ndarray) else at_centres.toarray())[0]


def objects(values: Sequence[Any]) -> Any:
    """Return values as an object array."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
