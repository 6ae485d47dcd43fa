"""Compile a fitted pipeline to tables.

scikit-learn itself computes what stands in the tables: one value of each bin goes through the fitted
transformers. Where the bins end is found by bisection over the floating-point numbers, so that imputing,
scaling and rounding to float32 are folded into the trees' thresholds without a rounding of ours.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..signature import Signature
from .origins import Origin, Source, trace
from .scores import Ensemble, Linear, Tree, read_scores
from .tables import Input, Tables

__all__ = ["Binned", "Traced", "affine_columns", "bin_inputs", "compile_tables", "trace_features", "trace_fields"]

# Of the tables in memory; what would take more is left to scikit-learn.
_LARGEST = 64 << 20
_UNSEEN = "\x00 a text that no one has seen"
_MOST = np.finfo(np.float64).max
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


@dataclass(frozen=True)
class Binned:
    """Inputs cut into bins, and the matrix in each of them.

    Attributes
    ----------
    used
        The sources that the matrix is made of.
    inputs
        Their bins.
    values
        Source -> the matrix's rows in its bins, shape (bins, columns); other sources' columns are meaningless there.
    """

    used: Sequence[int]
    inputs: Sequence[Input]
    values: Mapping[int, Any]


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
            domains[place] = sorted(field.categories or ()) if closed else [*sorted(sources[place].known), _UNSEEN]

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
    domains = {place: [*texts, _UNSEEN] for place, texts in enumerate(known)}

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
            raise NotCompilableError(f"a value that may come is refused: {str(error).splitlines()[0]}") from error


def compile_tables(estimator: Any, traced: Traced) -> Tables:
    """Compile the last step of a traced pipeline.

    Raises
    ------
    NotCompilableError
        With the reason.
    """
    scores = read_scores(estimator)
    binned = bin_inputs(traced, scores)
    return _linear(scores, traced, binned) if isinstance(scores, Linear) else _trees(scores, traced.origins, binned)


def bin_inputs(traced: Traced, scores: Ensemble | Linear | None) -> Binned:
    """Cut the inputs into bins between which no test of the trees, and no step of a transformer, tells a difference."""
    used = sorted({origin.source for origin in traced.origins})
    if not used:
        raise NotCompilableError("the model takes no column")
    cuts = _cuts(traced, scores)
    inputs, samples = [], []
    for place, source in enumerate(traced.sources):
        if source.text:
            texts = traced.domains.get(place, [])
            known = tuple(text for text in texts if text != _UNSEEN)
            inputs.append(Input(source.name, True, known=known))
            # Where no other text may come, or no null, these bins are never used: any value will do.
            fill = texts[0] if texts else None
            other = _UNSEEN if _UNSEEN in texts or not texts else fill
            samples.append(_objects([*known, other, None if place in traced.nullable else fill]))
        else:
            inputs.append(Input(source.name, False, cuts=cuts[place]))
            beyond = np.nextafter(cuts[place][-1], np.inf) if len(cuts[place]) else 0.0
            null = np.nan if place in traced.nullable else 0.0
            samples.append(np.concatenate([cuts[place], [beyond, null]]))
    most = max(map(len, samples))
    matrix = traced.values_of([_padded(sample, most) for sample in samples])
    if matrix.shape[1] != len(traced.origins):
        raise NotCompilableError("the transformers give other columns than their types tell")
    return Binned(used, [inputs[place] for place in used], {place: matrix[: inputs[place].bins] for place in used})


def _objects(values: Sequence[Any]) -> Any:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _padded(values: Any, length: int) -> Any:
    return values[np.minimum(np.arange(length), len(values) - 1)]


def _cuts(traced: Traced, scores: Ensemble | Linear | None) -> dict[int, Any]:
    """Return where the bins of each number end."""
    sources, origins = traced.sources, traced.origins
    found = {place: set(source.steps) for place, source in enumerate(sources) if not source.text}
    wanted = _thresholds(scores, origins, sources) if isinstance(scores, Ensemble) else []
    exact = [pair for pair in wanted if origins[pair[0]].same and not scores.narrow] if wanted else []  # type: ignore[union-attr]
    for column, threshold in exact:
        found[origins[column].source].add(threshold)
    if searched := sorted(set(wanted) - set(exact)):
        assert isinstance(scores, Ensemble)
        ends = _bisect(searched, traced, narrow=scores.narrow)
        for (column, _), end in zip(searched, ends, strict=True):
            if np.isfinite(end):
                found[origins[column].source].add(end)
    return {place: np.array(sorted(ends), dtype=np.float64) for place, ends in found.items()}


def _thresholds(scores: Ensemble, origins: Sequence[Origin], sources: Sequence[Source]) -> list[tuple[int, float]]:
    """Return the tests (column, threshold) on columns that rise with a number."""
    found = set()
    for tree, _ in scores.trees:
        for node in np.flatnonzero(tree.left >= 0).tolist():
            column = int(tree.column[node])
            if origins[column].rising and not sources[origins[column].source].text:
                if node in tree.sets:
                    raise NotCompilableError("a category is made of numbers that no encoder knows")
                found.add((column, float(tree.threshold[node])))
    return sorted(found)


def _bisect(pairs: Sequence[tuple[int, float]], traced: Traced, *, narrow: bool) -> Any:
    """Return for each test the largest number that passes it; infinite where all or none do."""
    sources, origins = traced.sources, traced.origins
    columns = np.array([column for column, _ in pairs])
    thresholds = np.array([threshold for _, threshold in pairs])
    owners = np.array([origins[column].source for column, _ in pairs])
    rows = np.empty(len(pairs), dtype=np.int64)
    for owner in np.unique(owners):
        rows[owners == owner] = np.arange((owners == owner).sum())
    simple = all(origins[column].same for column in columns)

    def passes(numbers: Any) -> Any:
        if simple:
            values = numbers
        else:
            given = []
            for place, source in enumerate(sources):
                if source.text:
                    given.append(_objects([traced.first_text(place)] * (int(rows.max()) + 1)))
                else:
                    column = np.zeros(int(rows.max()) + 1)
                    column[rows[owners == place]] = numbers[owners == place]
                    given.append(column)
            values = traced.values_of(given)[rows, columns]
        with np.errstate(over="ignore"):
            return (values.astype(np.float32).astype(np.float64) if narrow else values) <= thresholds

    low, high = np.full(len(pairs), _order(-_MOST)), np.full(len(pairs), _order(_MOST))
    none, everything = ~passes(_number(low)), passes(_number(high))
    while (low < high).any():
        # The upper middle, without overflow.
        middle = (low | high) - ((low ^ high) >> 1)
        right = passes(_number(middle))
        low, high = np.where(right, middle, low), np.where(right, high, middle - 1)
    return np.where(none, -np.inf, np.where(everything, np.inf, _number(low)))


def _order(number: float) -> int:
    """Return a whole number that orders as the floating-point number does."""
    bits = int(np.float64(number).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def _number(order: Any) -> Any:
    bits = np.abs(order)
    return np.where(order < 0, -bits.view(np.float64), bits.view(np.float64))


def _trees(scores: Ensemble, origins: Sequence[Origin], binned: Binned) -> Tables:
    inputs, used, values = binned.inputs, binned.used, binned.values
    leaves = [_leaves(tree) for tree, _ in scores.trees]
    bits = 32 if max(map(len, leaves)) <= 32 else 64
    words = [-(-len(each) // bits) for each in leaves]
    starts = np.cumsum([0, *words])
    bins = np.cumsum([0, *(each.bins for each in inputs)])
    size = int(bins[-1] * starts[-1] * bits // 8)
    if size > _LARGEST:
        raise NotCompilableError(f"its tables would take {size / 1e6:,.0f} MB")
    table = np.full((bins[-1], starts[-1]), (1 << bits) - 1, dtype=np.uint32 if bits == 32 else np.uint64)
    outputs = scores.trees[0][0].values.shape[1]
    kept = np.full((starts[-1], bits + 1, outputs), -0.0)
    first = {place: int(bins[number]) for number, place in enumerate(used)}
    narrowed = {
        place: each.astype(np.float32).astype(np.float64) if scores.narrow else each for place, each in values.items()
    }
    for number, (tree, _) in enumerate(scores.trees):
        own = leaves[number]
        flat = np.full((words[number] * bits, outputs), -0.0)
        flat[: len(own)] = tree.values[own]
        span = slice(starts[number], starts[number + 1])
        kept[span, 1:] = flat.reshape(words[number], bits, outputs)
        # Bits beyond the leaves are never set.
        table[:, span] &= _interval(0, len(own), words[number], bits)
        for node, (begin, middle, end) in _spans(tree, own).items():
            column = int(tree.column[node])
            place = origins[column].source
            left = tree.goes_left(node, narrowed[place][:, column])
            rows = slice(first[place], first[place] + len(left))
            out = np.where(
                left[:, None],
                _interval(middle, end, words[number], bits),
                _interval(begin, middle, words[number], bits),
            )
            table[rows, span] &= ~out
    return Tables(
        tuple(inputs),
        base=scores.base,
        link=scores.link,
        divisor=scores.divisor,
        leaves=table,
        values=kept,
        outputs=np.repeat([-1 if output is None else output for _, output in scores.trees], words).astype(np.int32),
    )


def _leaves(tree: Tree) -> list[int]:
    """Return a tree's leaves from left to right."""
    found, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        if tree.left[node] < 0:
            found.append(node)
        else:
            waiting += [int(tree.right[node]), int(tree.left[node])]
    return found


def _spans(tree: Tree, leaves: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Return for each inner node where its leaves begin, its right ones begin, and all end."""
    place = {leaf: number for number, leaf in enumerate(leaves)}
    ends: dict[int, tuple[int, int]] = {leaf: (number, number + 1) for leaf, number in place.items()}
    found: dict[int, tuple[int, int, int]] = {}
    waiting = [(0, False)]
    while waiting:
        node, done = waiting.pop()
        if tree.left[node] < 0:
            continue
        left, right = int(tree.left[node]), int(tree.right[node])
        if done:
            ends[node] = (ends[left][0], ends[right][1])
            found[node] = (ends[left][0], ends[right][0], ends[right][1])
        else:
            waiting += [(node, True), (right, False), (left, False)]
    return found


def _interval(begin: int, end: int, words: int, bits: int) -> Any:
    """Return the words whose bits from `begin` up to `end` are set."""
    whole = (1 << end) - (1 << begin)
    every = (1 << bits) - 1
    return np.array(
        [(whole >> (bits * word)) & every for word in range(words)], dtype=np.uint32 if bits == 32 else np.uint64
    )


def _linear(scores: Linear, traced: Traced, binned: Binned) -> Tables:
    inputs, used, values, origins = binned.inputs, binned.used, binned.values, traced.origins
    outputs = len(scores.base)
    weights = np.zeros((len(used), outputs))
    affine, centres, at_centres = affine_columns(traced)
    additions = []
    for number, place in enumerate(used):
        table = np.zeros((inputs[number].bins, outputs))
        for column, origin in enumerate(origins):
            if origin.source != place:
                continue
            if affine[column]:
                weights[number] += scores.weights[:, column] * origin.slope
                table[:-1] += scores.weights[:, column] * at_centres[column]
                table[-1] += scores.weights[:, column] * values[place][-1, column]
            else:
                table += values[place][:, column, None] * scores.weights[:, column]
        additions.append(table)
    return Tables(
        tuple(inputs),
        base=scores.base,
        link=scores.link,
        weights=weights,
        centres=centres[list(used)],
        additions=np.concatenate(additions),
    )


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
        _objects([traced.first_text(place)]) if source.text else centres[[place]]
        for place, source in enumerate(sources)
    ]
    return affine, centres, traced.values_of(row)[0]
