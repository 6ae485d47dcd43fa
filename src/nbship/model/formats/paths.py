"""Choose the way in which a package answers: the fastest that is proven to answer as scikit-learn does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..columns import Column, Columns, compute
from ..features import ColumnFeatures
from ..signature import Signature
from .compiler import compile_features, compile_fields
from .fitted import input_of, scores_of, steps_of, targets_of
from .table_file import dump_tables
from .tables import Input, Tables

__all__ = ["Choice", "choose_path", "generate_rows", "largest_difference"]

# Rows that are generated to compare the two.
ROWS = 10_000


@dataclass(frozen=True)
class Choice:
    """How a package answers, and why.

    Attributes
    ----------
    tables
        The bytes of `tables.npz`; None: the fitted estimator answers.
    report
        What `acceptance.json` says of it: `path`, and the proof or the reason.
    """

    tables: bytes | None
    report: Mapping[str, Any]


def choose_path(
    estimator: Any, signature: Signature, *, columns: Columns, code: Mapping[str, bytes], bound: float
) -> Choice:
    """Compile an estimator, and compare it with itself on generated rows.

    Parameters
    ----------
    columns
        The training rows: what generated rows are drawn from, beside the ends of the tables' bins.
    code
        The package's modules, path -> source; the feature function must be in one of them.
    bound
        How far apart their answers may be.
    """
    try:
        tables, expected, real, function = _compiled(estimator, signature, columns=columns, code=code)
        nullable = {field.name for field in signature.inputs if field.nullable} if function is None else None
        closed = {f.name for f in signature.inputs if f.categories and not f.open} if function is None else set()
        rows = generate_rows(tables, real, nullable=nullable, closed=closed)
        most = largest_difference(tables.scores([rows[each.name] for each in tables.inputs]), expected(rows))
    except NotCompilableError as error:
        return Choice(None, {"path": "sklearn", "tables": f"Not compiled: {error}."})
    if not most <= bound:
        return Choice(None, {"path": "sklearn", "tables": f"Not proven: answers differ by up to {most:.1e}."})
    classes = getattr(estimator, "classes_", None)
    about = {"classes": None if classes is None else np.asarray(classes).tolist(), "function": function}
    return Choice(
        dump_tables(tables, about), {"path": "tables", "proof": {"rows": ROWS, "largest_difference": float(most)}}
    )


def _compiled(
    estimator: Any, signature: Signature, *, columns: Columns, code: Mapping[str, bytes]
) -> tuple[Tables, Callable[[Columns], Column], Columns, str | None]:
    """Return the tables, the estimator on the tables' inputs, real values of these, and the feature function's name."""
    steps = steps_of(estimator)
    if not isinstance(steps[0], ColumnFeatures):

        def frame(given: Columns) -> Any:
            typed = {
                name: column > 0.5 if signature[name].dtype == "bool" and not signature[name].nullable else column
                for name, column in given.items()
            }
            return input_of(estimator, {**_blank(signature, len(next(iter(given.values())))), **typed}, signature)

        tables = compile_fields(steps, signature, frame=frame)
        return tables, lambda rows: _scores(estimator, frame(rows)), columns, None
    features = steps[0]
    name = f"{features.function.__module__}:{getattr(features.function, '__qualname__', '')}"
    module = name.partition(":")[0].replace(".", "/")
    if "<" in name or not {f"{module}.py", f"{module}/__init__.py"} & code.keys():
        raise NotCompilableError("the feature function is not one of the project's modules")
    if len(steps) < 2:
        raise NotCompilableError("there is no estimator after the feature function")
    tables = compile_features(steps[1:], features.categories_, features.numbers_)

    def expected(rows: Columns) -> Column:
        return _scores(estimator[1:], features.encode(rows))

    return tables, expected, compute(features.function, columns), name


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


def generate_rows(
    tables: Tables,
    real: Columns,
    *,
    nullable: Set[str] | None = None,
    closed: Set[str] = frozenset(),
    count: int = ROWS,
    seed: int = 0,
) -> dict[str, Column]:
    """Return rows that lie where tables could go wrong: at the ends of bins and one float beside them, null, unseen.

    Parameters
    ----------
    real
        Values to draw from as well.
    nullable
        Inputs that may be null; None: all.
    closed
        Texts that are one of those known.
    """
    random = np.random.default_rng(seed)
    found = {}
    for each in tables.inputs:
        pool, null = _pool(each, closed=each.name in closed, exact=tables.leaves is not None)
        drawn = random.integers(0, max(1, len(pool)), count)
        seen = real[each.name]
        column = seen[random.integers(0, len(seen), count)]
        column = column.astype(object if each.text else np.float64)
        if len(pool):
            odd = random.random(count) < 0.5
            column[odd] = pool[drawn[odd]]
        if nullable is None or each.name in nullable:
            column[random.random(count) < 0.1] = null
        found[each.name] = column
    return found


def _pool(each: Input, *, closed: bool, exact: bool) -> tuple[Column, Any]:
    if each.cuts is not None:
        numbers = [each.cuts, np.nextafter(each.cuts, np.inf), np.nextafter(each.cuts, -np.inf)]
        if exact:
            # Beyond float32's whole numbers, and beyond all that was seen.
            numbers.append(np.array([0.0, -0.0, 2.0**24 + 1, -(2.0**24) - 1, 1e30, -1e30, 5e-324]))
        return np.concatenate(numbers), np.nan
    texts = [*each.known, *(() if closed else ("", "never seen", each.name))]
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column, None


def largest_difference(given: Column, expected: Column) -> float:
    """Return how far apart scores are, relative to those above one; infinite where labels or missing scores differ."""
    if given.shape != expected.shape or (np.isnan(given) != np.isnan(expected)).any():
        return float("inf")
    if given.shape[1] > 1 and (given.argmax(axis=1) != expected.argmax(axis=1)).any():
        return float("inf")
    apart = np.abs(given - expected) / np.maximum(1.0, np.abs(expected))
    return float(np.nanmax(apart, initial=0.0))
