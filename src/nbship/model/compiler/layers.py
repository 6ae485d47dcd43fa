"""Compile models of matrix products, such as networks, and transformers that mix columns, such as PCA, to layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import Layer, Layers
from .binning import bin_inputs
from .estimators import Linear, read_scores
from .trace import Traced, affine_columns

__all__ = ["compile_layers", "has_layers"]

# The largest number of columns, as each row has them all, and of entries of bins.
_MOST_COLUMNS, _MOST_ENTRIES = 1 << 12, 1 << 22


def compile_layers(before: Sequence[Any], last: Any, trace: Callable[[Sequence[Any]], Traced]) -> Layers:
    """Compile a pipeline: as many steps as possible to lookup tables, the others to layers.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    calculation, link = _model(last)
    steps = [inner for step in before for inner in (_flat(step))]
    for split in range(len(steps), -1, -1):
        try:
            traced, rest = trace([*steps[:split], last]), steps[split:]
            break
        except NotCompilableError as error:
            reason = error
    else:
        raise reason
    if len(traced.origins) > _MOST_COLUMNS:
        raise NotCompilableError(f"its matrix has {len(traced.origins):,} columns, more than {_MOST_COLUMNS:,}")
    layers = [*(layer for step in rest for layer in _transformer(step)), *calculation]
    binned = bin_inputs(traced, None)
    affine, centres, at_centres = affine_columns(traced)
    entries, slopes, order = [], [], []
    for number, index in enumerate(binned.used):
        own = [column for column, origin in enumerate(traced.origins) if origin.source == index]
        bins = binned.inputs[number].bins
        if bins * len(own) > _MOST_ENTRIES:
            raise NotCompilableError(
                f"the bins of '{binned.inputs[number].name}' would have {bins * len(own):,} entries"
            )
        table = np.column_stack([binned.values[index].column(column) for column in own]).astype(np.float64)
        slope = np.zeros(len(own))
        for place, column in enumerate(own):
            if affine[column]:
                # The last bin is null, which has no number to be weighted.
                table[:-1, place], slope[place] = at_centres[column], traced.origins[column].slope or 0.0
        entries.append(table)
        slopes.append(slope)
        order += own
    found = Layers(
        tuple(binned.inputs),
        centres=centres[list(binned.used)],
        entries=tuple(entries),
        slopes=tuple(slopes),
        layers=tuple(_reordered(layers, np.array(order))),
        link=link,
    )
    try:
        found.check()
    except ValueError as error:
        raise NotCompilableError(str(error)) from error
    return found


def has_layers(estimator: Any) -> bool:
    """Return whether an estimator can be compiled to layers, if the steps before it can."""
    try:
        _model(estimator)
    except NotCompilableError:
        return False
    return True


def _flat(step: Any) -> list[Any]:
    if step is None or isinstance(step, str):
        return []
    return [inner for _, each in step.steps for inner in _flat(each)] if hasattr(step, "steps") else [step]


def _reordered(layers: list[Layer], order: Any) -> list[Layer]:
    """Return layers for a matrix whose columns are in another order: column `i` is that of the index `order[i]`."""
    if (order == np.arange(len(order))).all():
        return layers
    if layers and layers[0].kind == "product":
        weights, base = layers[0].arrays
        return [Layer("product", (np.asfortranarray(weights[order]), base)), *layers[1:]]
    return [Layer("take", (np.argsort(order).astype(np.int64),)), *layers]


def _product(weights: Any, base: Any = 0.0) -> Layer:
    weights = np.array(weights, dtype=np.float64)
    return Layer("product", (weights, np.broadcast_to(np.asarray(base, dtype=np.float64), weights.shape[1]).copy()))


def _row(kind: str, values: Any) -> Layer:
    return Layer(kind, (np.array(values, dtype=np.float64),))


def _model(estimator: Any) -> tuple[list[Layer], str]:
    """Return the layers of an estimator and the function from its sums to its scores."""
    kind = type(estimator).__name__
    if type(estimator).__module__.startswith("sklearn.") and kind in _MODELS:
        return _MODELS[kind](estimator)
    scores = read_scores(estimator)
    if not isinstance(scores, Linear):
        raise NotCompilableError(f"{kind} has no layers")
    return [_product(scores.weights.T, scores.base)], scores.link


def _network(network: Any) -> tuple[list[Layer], str]:
    layers: list[Layer] = []
    for weights, base in zip(network.coefs_, network.intercepts_, strict=True):
        if weights.dtype != np.float64:
            raise NotCompilableError("its network calculates in float32")
        if layers and network.activation != "identity":
            layers.append(Layer(network.activation))
        layers.append(_product(weights, base))
    links = {"identity": "identity", "logistic": "expit", "softmax": "softmax", "exp": "exp"}
    if network.out_activation_ not in links:
        raise NotCompilableError(f"its network ends with the function {network.out_activation_}")
    return layers, links[network.out_activation_]


def _gaussian(bayes: Any) -> tuple[list[Layer], str]:
    base = np.log(bayes.class_prior_) - 0.5 * np.sum(np.log(2.0 * np.pi * bayes.var_), axis=1)
    return [Layer("gaussian", (bayes.theta_.astype(np.float64), bayes.var_.astype(np.float64), base))], "softmax"


def _quadratic(analysis: Any) -> tuple[list[Layer], str]:
    # Classes may have different ranks: a column of zeros adds nothing.
    ranks = [len(each) for each in analysis.scalings_]
    rotations = np.zeros((len(ranks), analysis.means_.shape[1], max(ranks)))
    for number, (rotation, scaling) in enumerate(zip(analysis.rotations_, analysis.scalings_, strict=True)):
        rotations[number, :, : len(scaling)] = rotation * scaling**-0.5
    base = np.log(analysis.priors_) - 0.5 * np.array([np.sum(np.log(each)) for each in analysis.scalings_])
    return [Layer("distances", (analysis.means_.astype(np.float64), rotations, base))], "softmax"


def _bernoulli(bayes: Any) -> tuple[list[Layer], str]:
    absent = np.log(1 - np.exp(bayes.feature_log_prob_))
    product = _product((bayes.feature_log_prob_ - absent).T, bayes.class_log_prior_ + absent.sum(axis=1))
    return [*([] if bayes.binarize is None else [_row("above", bayes.binarize)]), product], "softmax"


def _multinomial(bayes: Any) -> tuple[list[Layer], str]:
    return [_product(bayes.feature_log_prob_.T, bayes.class_log_prior_)], "softmax"


def _complement(bayes: Any) -> tuple[list[Layer], str]:
    return [_product(bayes.feature_log_prob_.T)], "softmax"


_MODELS: dict[str, Callable[[Any], tuple[list[Layer], str]]] = {
    **dict.fromkeys(("MLPClassifier", "MLPRegressor"), _network),
    "GaussianNB": _gaussian,
    "QuadraticDiscriminantAnalysis": _quadratic,
    "BernoulliNB": _bernoulli,
    "MultinomialNB": _multinomial,
    "ComplementNB": _complement,
}


def _transformer(step: Any) -> list[Layer]:
    """Return the layers of a transformer."""
    kind = type(step).__name__
    if type(step).__module__.startswith("sklearn."):
        if kind in _TRANSFORMERS:
            return _TRANSFORMERS[kind](step)
        if hasattr(step, "get_support"):
            return [Layer("take", (np.flatnonzero(step.get_support()).astype(np.int64),))]
    raise NotCompilableError(f"{kind} is not a transformer that compiles to layers")


def _principal(step: Any) -> list[Layer]:
    layers = [_product(step.components_.T, -(step.mean_.reshape(1, -1) @ step.components_.T)[0])]
    if step.whiten:
        scale = np.sqrt(step.explained_variance_)
        least = np.finfo(scale.dtype).eps
        layers.append(_row("divide", np.where(scale < least, least, scale)))
    return layers


def _centred(step: Any) -> list[Layer]:
    centre = [] if getattr(step, "mean_", None) is None else [_row("subtract", step.mean_)]
    return [*centre, _product(step.components_.T)]


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix


def _standard(step: Any) -> list[Layer]:
    layers = [_row("subtract", step.mean_)] if step.with_mean else []
    return [*layers, *([_row("divide", step.scale_)] if step.with_std else [])]


def _ranged(step: Any) -> list[Layer]:
    if step.clip:
        raise NotCompilableError("MinMaxScaler clips")
    return [_row("multiply", step.scale_), _row("add", step.min_)]


def _robust(step: Any) -> list[Layer]:
    layers = [_row("subtract", step.center_)] if step.with_centering else []
    return [*layers, *([_row("divide", step.scale_)] if step.with_scaling else [])]


def _polynomials(step: Any) -> list[Layer]:
    powers = step.powers_
    factors = np.full((max(1, int(powers.sum(axis=1).max())), len(powers)), -1, dtype=np.int64)
    for number, row in enumerate(powers):
        own = np.repeat(np.arange(len(row)), row)
        factors[: len(own), number] = own
    return [Layer("polynomials", (factors,))]


def _unit(step: Any) -> list[Layer]:
    if step.norm != "l2":
        raise NotCompilableError(f"Normalizer divides by the norm {step.norm}")
    return [Layer("unit")]


def _sampled(step: Any) -> list[Layer]:
    return [
        _product(step.random_weights_, step.random_offset_),
        Layer("cosine"),
        _row("multiply", (2.0 / step.n_components) ** 0.5),
    ]


_TRANSFORMERS: dict[str, Callable[[Any], list[Layer]]] = {
    **dict.fromkeys(("PCA", "IncrementalPCA"), _principal),
    "FastICA": _centred,
    **dict.fromkeys(("TruncatedSVD", "NeighborhoodComponentsAnalysis"), lambda step: [_product(step.components_.T)]),
    **dict.fromkeys(("GaussianRandomProjection", "SparseRandomProjection"), lambda step: [_product(_dense(step.components_).T)]),
    "StandardScaler": _standard,
    "MinMaxScaler": _ranged,
    "MaxAbsScaler": lambda step: [_row("divide", step.scale_)],
    "RobustScaler": _robust,
    "PolynomialFeatures": _polynomials,
    "Normalizer": _unit,
    "RBFSampler": _sampled,
}  # fmt: skip
