"""A fitted pipeline up to its last step: the matrix that it makes, and where each of its columns comes from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..signature import Signature
from .column_origins import Origin, Source, trace

__all__ = ["UNSEEN", "Traced", "affine_columns", "objects", "trace_features", "trace_fields"]

# Stands for every text that no transformer knows.
UNSEEN = "\x00 a text that no one has seen"
Transform = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Traced:
    """A fitted pipeline up to its last step: where each column of the last step's matrix comes from.

    Attributes
    ----------
    sources, origins
        Inputs, and for each column of the matrix its origin among them.
    values_of
        An array for each source -> the matrix, by scikit-learn.
    domains
        Text source -> the texts that may come.
    nullable
        Sources that may be null.
    """

    sources: Sequence[Source]
    origins: Sequence[Origin]
    values_of: Transform
    domains: Mapping[int, list[str]]
    nullable: set[int]

    def first_text(self, place: int) -> str | None:
        """Return a text that may come."""
        return next(iter(self.domains.get(place, [])), None)


def trace_fields(steps: Sequence[Any], signature: Signature, *, frame: Callable[[Mapping[str, Any]], Any]) -> Traced:
    """Trace a pipeline that takes a frame of the signature's fields.

    Parameters
    ----------
    steps
        Fitted transformers, and an estimator last.
    frame
        Makes the frame that the pipeline takes, from arrays of texts (object) and numbers (float64) of the fields that matter.

    Raises
    ------
    NotCompilableError
        With the reason.
    """
    # A time is no number: what takes it without a feature function fails in scikit-learn as well.
    sources = [Source(field.name, field.dtype in ("string", "category", "datetime")) for field in signature.inputs]
    origins = [Origin(place) for place in range(len(sources))]
    origins = _traced(steps, origins, sources)
    used = {origin.source for origin in origins}
    for place in sorted(used):
        if signature.inputs[place].dtype == "datetime":
            raise NotCompilableError(f"field '{sources[place].name}' is a time, and no feature function reads it")
    domains: dict[int, list[str]] = {}
    for place, field in enumerate(signature.inputs):
        if sources[place].text and field.dtype != "datetime":
            closed = field.categories is not None and not field.open
            domains[place] = sorted(field.categories or ()) if closed else [*sorted(sources[place].known), UNSEEN]

    def values_of(columns: Sequence[Any]) -> Any:
        return _through(steps, frame({sources[place].name: columns[place] for place in used}))

    nullable = {place for place, field in enumerate(signature.inputs) if field.nullable}
    return Traced(sources, origins, values_of, domains, nullable)


def trace_features(steps: Sequence[Any], categories: Mapping[str, Sequence[str]], numbers: Sequence[str]) -> Traced:
    """Trace what follows a project's feature function: steps on its matrix of codes, then numbers.

    Parameters
    ----------
    categories
        Text feature -> its texts, in the order of their codes; all others share the next code.
    numbers
        The other features.
    """
    sources = [*(Source(name, True) for name in categories), *(Source(name, False) for name in numbers)]
    origins = _traced(steps, [Origin(place) for place in range(len(sources))], sources)
    known = list(categories.values())
    domains = {place: [*texts, UNSEEN] for place, texts in enumerate(known)}

    def values_of(columns: Sequence[Any]) -> Any:
        matrix = np.empty((len(columns[0]), len(sources)))
        for place, column in enumerate(columns):
            if place < len(known):
                codes: dict[str | None, float] = {
                    None: np.nan,
                    **{text: float(code) for code, text in enumerate(known[place])},
                }
                column = [codes.get(text, float(len(known[place]))) for text in column]
            matrix[:, place] = column
        return _through(steps, matrix)

    return Traced(sources, origins, values_of, domains, set(range(len(sources))))


def _traced(steps: Sequence[Any], origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    for step in steps[:-1]:
        origins = trace(step, origins, sources)
    inner = getattr(steps[-1], "_preprocessor", None)
    return origins if inner is None else trace(inner, origins, sources)


def _through(steps: Sequence[Any], data: Any) -> Any:
    """Return the matrix that the last step computes on, float64."""
    from sklearn import config_context

    with config_context(assume_finite=True), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            for step in steps[:-1]:
                if step is not None and step != "passthrough":
                    data = step.transform(data)
            if getattr(steps[-1], "_preprocessor", None) is not None:
                data = steps[-1]._preprocess_X(data, reset=False)
            dense = data.toarray() if hasattr(data, "toarray") else data
            return np.asarray(dense, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise NotCompilableError(
                f"a value that the signature allows is rejected: {str(error).splitlines()[0]}"
            ) from error


def affine_columns(traced: Traced) -> tuple[list[bool], Any, Any]:
    """Return which columns are affine in a number, each source's centre, and the matrix's row at the centres.

    Raises
    ------
    NotCompilableError
        If a column rises with a number and is not affine.
    """
    sources, origins = traced.sources, traced.origins
    affine = [origin.slope is not None and not sources[origin.source].text for origin in origins]
    centres = np.zeros(len(sources))
    for column, origin in enumerate(origins):
        if affine[column]:
            centres[origin.source] = origin.centre
        elif origin.rising and not sources[origin.source].text:
            raise NotCompilableError("a column is clipped, and the model weighs it")
    row = [
        objects([traced.first_text(place)]) if source.text else centres[[place]] for place, source in enumerate(sources)
    ]
    return affine, centres, traced.values_of(row)[0]


def objects(values: Sequence[Any]) -> Any:
    """Return values as an array of objects."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
