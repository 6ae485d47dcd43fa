"""Trace each column of a model's matrix through fitted scikit-learn transformers to its input.

A model compiles to tables if every column of its matrix is a function of one input. The types of the transformers
determine the input and how the function can change (in steps, increasing, affine). The values themselves are computed
by scikit-learn and never reimplemented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ...errors import NotCompilableError

__all__ = ["Origin", "Source", "trace"]


@dataclass
class Source:
    """An input of the compiled model: a field of the signature, or a feature of the project's function.

    Attributes
    ----------
    name
        Name of the field or feature.
    is_string
        Whether its values are strings; otherwise they are numbers, and null is NaN.
    known
        The strings that a transformer encodes.
    steps
        The steps of step functions: each number c after which the value may change, up to the next larger float.
    points
        The numbers that an imputer replaces. Each has a bin of its own, so that other functions may still increase.
    is_positive
        Whether a transformer fails for numbers that are not positive.
    is_rounded
        Whether its numbers are rounded for the transformers, as a float32 column's are.
    """

    name: str
    is_string: bool
    known: set[str] = field(default_factory=set)
    steps: set[float] = field(default_factory=set)
    points: set[float] = field(default_factory=set)
    is_positive: bool = False
    is_rounded: bool = False


@dataclass(frozen=True)
class Origin:
    """The source of one column of the matrix, and the function between them.

    Attributes
    ----------
    source
        Index of the source.
    same
        Whether the column equals the source, except for null.
    rising
        Whether the function never decreases, but for the points of the source, and for numbers up to a step of which it
        is NaN; otherwise it changes only at the steps of the source.
    centre, slope
        Of an affine function: `(x - centre) * slope` plus a constant. Slope None: the function is not affine.
    """

    source: int
    same: bool = True
    rising: bool = True
    centre: float = 0.0
    slope: float | None = 1.0


def trace(transformer: Any, origins: Sequence[Origin], sources: Sequence[Source]) -> list[Origin]:
    """Return the origins of the output columns of a transformer, and add its strings and steps to the sources.

    Raises
    ------
    NotCompilableError
        If a column depends on several inputs, or the transformer is not supported.
    """
    if transformer is None or isinstance(transformer, str):
        return [] if transformer == "drop" else list(origins)
    kind = type(transformer).__name__
    if not type(transformer).__module__.startswith("sklearn.") or kind not in _TRACED:
        raise NotCompilableError(f"{kind} is not a transformer whose output columns can be traced")
    return _TRACED[kind](transformer, list(origins), sources)


def _pipeline(pipeline: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    for _, step in pipeline.steps:
        origins = trace(step, origins, sources)
    return origins


def _columns(transformer: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    found: list[Origin] = []
    for name, step, _ in transformer.transformers_:
        taken = [origins[index] for index in transformer._transformer_to_input_indices[name]]
        found += trace(step, taken, sources) if taken else []
    return found


def _union(union: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    return [origin for _, step in union.transformer_list for origin in trace(step, origins, sources)]


def _function(transformer: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    function = transformer.func.func if isinstance(transformer.func, partial) else transformer.func
    name = getattr(function, "__name__", "")
    if isinstance(function, np.ufunc) and name in _RISING and not transformer.kw_args:
        if (start := _RISING[name]) is not None:
            for origin in origins:
                _need_steps_of(origin, sources[origin.source], transformer)
                sources[origin.source].steps.add(float(np.nextafter(start, -np.inf)))
        return _increasing(transformer, origins, sources)
    if function is not None and name != "check_array":
        raise NotCompilableError("FunctionTransformer calls a custom function")
    return origins


# Functions of NumPy that never decrease, and the least number for which they are not NaN.
_RISING: dict[str, float | None] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt"), 0.0),
    "log1p": -1.0,
    **dict.fromkeys(("cbrt", "arcsinh", "arctan", "tanh", "exp", "expm1", "sinh"), None),
}


def _increasing(transformer: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    return [replace(origin, same=False, slope=None) for origin in origins]


def _power(transformer: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    if transformer.method == "box-cox":
        for origin in origins:
            _need_steps_of(origin, sources[origin.source], transformer)
            sources[origin.source].is_positive = True
    return _increasing(transformer, origins, sources)


def _scaler(transformer: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    ones, zeros = np.ones(len(origins)), np.zeros(len(origins))
    if type(transformer).__name__ == "MinMaxScaler":
        slopes, centres = transformer.scale_, transformer.data_min_
    else:
        scale = getattr(transformer, "scale_", None)
        slopes = ones if scale is None else 1 / scale
        centre = getattr(transformer, "mean_", getattr(transformer, "center_", None))
        centres = zeros if centre is None else centre
    clipped = getattr(transformer, "clip", False)
    found = []
    for origin, slope, centre in zip(origins, slopes.tolist(), centres.tolist(), strict=True):
        affine = None if clipped or origin.slope is None else origin.slope * slope
        found.append(
            replace(origin, same=False, slope=affine, centre=centre if origin.same else origin.centre),
        )
        if slope < 0:
            raise NotCompilableError(f"{type(transformer).__name__} reverses the order of numbers")
    return found


def _imputer(imputer: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    if not _is_nan(imputer.missing_values):
        origins = [_marked(imputer, origin, sources[origin.source]) for origin in origins]
    kept = origins
    if not imputer.keep_empty_features:
        # Columns that held no value in training are left out.
        kept = [each for each, value in zip(origins, imputer.statistics_, strict=True) if not _is_nan(value)]
    return [*kept, *(_indicator(imputer.indicator_, origins, sources) if imputer.add_indicator else [])]


def _marked(imputer: Any, origin: Origin, source: Source) -> Origin:
    """Return the origin of a column in which an imputer replaces a marker, such as -1 or "?"."""
    if source.is_string:
        source.known |= {imputer.missing_values} if isinstance(imputer.missing_values, str) else set()
        return origin
    _need_steps_of(origin, source, imputer)
    marker = float(imputer.missing_values)
    source.points.add(marker)
    source.steps |= {marker, float(np.nextafter(marker, -np.inf))}
    return replace(origin, same=False, slope=None)


def _indicator(indicator: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    return [_stepwise(origins[index]) for index in indicator.features_]


def _one_hot(encoder: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    return _encoded(encoder, origins, sources, widths=encoder._n_features_outs)


def _ordinal(encoder: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    return _encoded(encoder, origins, sources, widths=[1] * len(origins))


def _target(encoder: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    width = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    return _encoded(encoder, origins, sources, widths=[width] * len(origins))


def _encoded(encoder: Any, origins: list[Origin], sources: Sequence[Source], *, widths: Any) -> list[Origin]:
    found = []
    for origin, categories, width in zip(origins, encoder.categories_, widths, strict=True):
        source = sources[origin.source]
        _need_steps_of(origin, source, encoder)
        if source.is_string:
            source.known |= {str(value) for value in categories.tolist() if isinstance(value, str)}
        else:
            numbers = np.asarray([value for value in categories.tolist() if value is not None], dtype=np.float64)
            numbers = numbers[~np.isnan(numbers)]
            source.steps |= {*numbers.tolist(), *np.nextafter(numbers, -np.inf).tolist()}
        found += [_stepwise(origin)] * width
    return found


def _bins(discretizer: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    found = []
    for index, origin in enumerate(origins):
        _need_steps_of(origin, sources[origin.source], discretizer)
        sources[origin.source].steps |= set(np.nextafter(discretizer.bin_edges_[index][1:-1], -np.inf).tolist())
        width = 1 if discretizer.encode == "ordinal" else int(discretizer.n_bins_[index])
        found += [_stepwise(origin)] * width
    return found


def _selector(selector: Any, origins: list[Origin], sources: Sequence[Source]) -> list[Origin]:
    return [origins[index] for index in selector.get_support(indices=True)]


def _stepwise(origin: Origin) -> Origin:
    return replace(origin, same=False, rising=False, slope=None)


def _need_steps_of(origin: Origin, source: Source, transformer: Any) -> None:
    """Raise an error if a transformer with steps comes after another transformer, as the steps of its source are unknown."""
    if origin.rising and not origin.same and not source.is_string:
        raise NotCompilableError(f"{type(transformer).__name__} comes after another transformer of its column")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


_TRACED: dict[str, Callable[[Any, list[Origin], Sequence[Source]], list[Origin]]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _columns,
    "FeatureUnion": _union,
    "FunctionTransformer": _function,
    **dict.fromkeys(("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"), _scaler),
    **dict.fromkeys(("Binarizer", "QuantileTransformer"), _increasing),
    "PowerTransformer": _power,
    "SimpleImputer": _imputer,
    "MissingIndicator": _indicator,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "TargetEncoder": _target,
    "KBinsDiscretizer": _bins,
    **dict.fromkeys(("VarianceThreshold", "SelectKBest", "SelectPercentile", "SelectFromModel", "RFE"), _selector),
}
