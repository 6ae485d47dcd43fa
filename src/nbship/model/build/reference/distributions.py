"""The distributions of inputs and predictions in training: counts of bins and categories, never rows.

Numbers have at most 100 bins between their quantiles, and one bin on either side for values outside the range of the
training data. For free text and personal data, only missing and present values are counted. With an event time, the
counts of periods, such as days, show how much a field differs from one to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....errors import SignatureError
from ...signature import Codes, Column, Columns, Field, Signature, to_local
from .counts import Counts, count_in_categories, count_texts, edges_of, groups_of
from .measured import HOURS, measure, zone_of
from .pairs import seen_pairs
from .periods import MOST_DISTINCT, Blocks, Periods, choose_periods, day_numbers, known_values, repeated, row_hashes
from .sorted_numbers import Grouping, SortedNumbers

__all__ = ["Distribution", "Reference", "count", "describe", "identified_by"]

# A field is counted given another one only for its most frequent values.
_MOST_GIVEN = 24


@dataclass(frozen=True)
class Distribution:
    """The counts of one field.

    Attributes
    ----------
    kind
        "number" (bins), "category", "hour" (of a day), or "text" (only missing or not).
    role
        "input", "output", or "given".
    edges
        The edges of bins, shape (bins + 1,); the outer edges are infinite.
    categories
        The sorted categories.
    counts
        The number of rows in each bin or category; for text, one number: rows with a value.
    missing
        Rows without a value.
    periods
        The counts of each period in the groups of bins or in the categories, and its missing values, shape
        (periods, groups + 1).
    repeats
        1 for each day with the same set of values as the day before, else 0, shape (periods,).
    known
        Of a number with few distinct values: these values, sorted.
    alone
        The largest share of a period's rows whose value no other period has.
    given
        Of "given": the field, the other field and its value. Only rows with this value are counted.
    """

    kind: str
    role: str
    counts: Column
    missing: int
    edges: Column | None = None
    categories: tuple[str, ...] | None = None
    periods: NDArray[np.int64] | None = None
    repeats: NDArray[np.int64] | None = None
    known: NDArray[np.float64] | None = None
    alone: float = 0.0
    given: tuple[str, str, str] | None = None

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return int(self.counts.sum()) + self.missing

    @property
    def groups(self) -> NDArray[np.intp]:
        """The first bin of each group, shape (groups,); a category is a group."""
        return groups_of(self.counts) if self.kind == "number" else np.arange(len(self.counts))


@dataclass(frozen=True)
class Reference:
    """What is stored of the training data.

    Attributes
    ----------
    fields
        The distributions of all fields by name.
    periods
        The periods of the rows; None without an event time.
    pairs
        Two fields with categories -> the combinations that occur: see `seen_pairs`. None in packages of an older nbship.
    """

    fields: Mapping[str, Distribution]
    periods: Periods | None = None
    pairs: Mapping[tuple[str, str], NDArray[np.int64]] | None = None


def describe(
    columns: Columns, signature: Signature, *, outputs: Mapping[str, Column], given: Mapping[str, str] | None = None
) -> Reference:
    """Count inputs (columns of the signature) and outputs (kind -> array), all rows together and by period.

    Parameters
    ----------
    given
        Field -> another field, a category or the event time: the field is also counted for each value of the other.

    Raises
    ------
    SignatureError
        If `given` names a field that cannot be counted so.
    """
    measured = measure(columns, signature)
    of_outputs = {name: _output(name, values) for name, values in outputs.items()}
    fields = {name: _describe(values, signature, name) for name, values in measured.items()}
    fields |= {name: _distribution(values, _kind_of_output(name), "output") for name, values in of_outputs.items()}
    fields |= _given(measured, fields, given or {})
    blocks, pairs = _blocks(columns, signature), seen_pairs(measured, _categories(fields))
    if blocks is None:
        return Reference(fields, pairs=pairs)
    values = {**measured, **of_outputs}
    fields = {name: _by_period(each, values, measured, blocks, name=name) for name, each in fields.items()}
    return Reference(fields, _periods(columns, signature, blocks), pairs)


def _categories(fields: Mapping[str, Distribution]) -> dict[str, tuple[str, ...]]:
    return {name: each.categories for name, each in fields.items() if each.role == "input" and each.categories}


def identified_by(columns: Columns, signature: Signature) -> dict[str, Column]:
    """Return the columns in which two rows must agree to be copies; the log has no personal values to compare."""
    return {field.name: columns[field.name] for field in signature.inputs if not field.pii and field.name in columns}


def count(values: Column | Codes, like: Distribution, *, blocks: Column | None = None, number: int = 1) -> Counts:
    """Count values in the bins or categories of a distribution.

    Parameters
    ----------
    values
        Numbers (NaN is missing) or strings (None is missing), shape (n,).
    blocks
        The block of each row, from 0 to `number - 1`, or -1 for none, shape (n,). By default all rows are one block.
    """
    of_rows = np.zeros(len(values), dtype=np.int64) if blocks is None else blocks
    if like.kind == "number":
        assert like.edges is not None
        return Counts(SortedNumbers(np.asarray(values), Grouping(of_rows, number)).counts(like.edges), {})
    if like.kind == "text":
        return count_texts(np.asarray(values), of_rows, number)
    return count_in_categories(values, like.categories or (), of_rows, number)


def _output(name: str, values: Column) -> Column:
    if _kind_of_output(name) == "number":
        return np.asarray(values, dtype=np.float64)
    return np.array([str(value) for value in values], dtype=object)


def _kind_of_output(name: str) -> str:
    return "category" if name.partition(".")[0] == "label" else "number"


def _describe(values: Column, signature: Signature, name: str) -> Distribution:
    field: Field = signature[name]
    if field.pii or field.dtype == "string":
        kind = "text"
    elif name == signature.event_time:
        kind = "hour"
    else:
        kind = "category" if field.dtype in ("category", "bool") else "number"
    return _distribution(values, kind, "input")


def _distribution(values: Column, kind: str, role: str) -> Distribution:
    """Return the distribution of values, in bins or categories of their own."""
    empty = Distribution(kind, role, np.array([], dtype=np.int64), 0)
    if kind == "number":
        empty = replace(empty, edges=edges_of(values.astype(np.float64)))
    elif kind != "text":
        empty = replace(empty, categories=HOURS if kind == "hour" else _names(values))
    return _filled(empty, values)


def _filled(empty: Distribution, values: Column) -> Distribution:
    table = count(values, empty).table[0]
    return replace(empty, counts=table[:-1], missing=int(table[-1]))


def _names(values: Column | Codes) -> tuple[str, ...]:
    """Return the distinct strings, sorted."""
    import pandas as pd

    if isinstance(values, Codes):
        used = values.known[np.bincount(values.codes, minlength=len(values.known)) > 0]
    else:
        used = pd.unique(values)
    return tuple(sorted({str(value) for value in used.tolist() if value is not None and value == value}))


def _given(
    measured: Mapping[str, Column], fields: Mapping[str, Distribution], given: Mapping[str, str]
) -> dict[str, Distribution]:
    found = {}
    for name, other in given.items():
        for one in (name, other):
            if one not in fields:
                raise SignatureError(
                    f"'monitoring.given' names '{one}', which is not a field that is counted. Name inputs of the model."
                )
        by = fields[other]
        if by.categories is None or fields[name].kind == "text":
            wrong, needs = (other, "a category or the event time") if by.categories is None else (name, "a number, a category or a time")  # fmt: skip
            raise SignatureError(f"'monitoring.given' names '{wrong}', which is not {needs}. Name another field.")
        frequent = np.argsort(-by.counts, kind="stable")[:_MOST_GIVEN]
        for value in (by.categories[place] for place in sorted(frequent.tolist())):
            like = replace(fields[name], role="given", given=(name, other, value))
            found[f"{name} ({other} {value})"] = _filled(like, measured[name][measured[other] == value])
    return found


def _blocks(columns: Columns, signature: Signature) -> Blocks | None:
    if signature.event_time is None or signature.event_time not in columns:
        return None
    return choose_periods(day_numbers(to_local(columns[signature.event_time], zone_of(signature))))


def _by_period(
    each: Distribution, values: Mapping[str, Column], measured: Mapping[str, Column], blocks: Blocks, *, name: str
) -> Distribution:
    of_rows, column = blocks.of_rows, values[each.given[0] if each.given else name]
    if each.given:
        of_rows = np.where(measured[each.given[1]] == each.given[2], of_rows, -1)
    table = count(column, each, blocks=of_rows, number=blocks.number).table
    grouped = np.add.reduceat(table[:, :-1], each.groups, axis=1) if len(each.groups) else table[:, :-1]
    repeats = None
    if each.kind == "number" and each.role == "input" and blocks.days == 1:
        numbers = SortedNumbers(column, Grouping(of_rows, blocks.number))
        repeats = repeated(numbers.distinct(most=MOST_DISTINCT))
    known = known_values(column.astype(np.float64)) if each.kind == "number" and each.role == "input" else None
    alone = 0.0 if known is None else _alone(column.astype(np.float64), of_rows, blocks.number)
    periods = np.column_stack([grouped, table[:, -1]])
    return replace(each, periods=periods, repeats=repeats, known=known, alone=alone)


def _alone(values: Column, blocks: Column, number: int) -> float:
    import pandas as pd

    codes, names = pd.factorize(values)
    inside = (codes >= 0) & (blocks >= 0)
    cells = blocks[inside] * len(names) + codes[inside]
    table = np.bincount(cells, minlength=number * len(names)).reshape(number, len(names))
    rows, only = table.sum(axis=1), (table > 0).sum(axis=0) == 1
    return float(np.max(table[:, only].sum(axis=1) / np.maximum(rows, 1), initial=0.0))


def _periods(columns: Columns, signature: Signature, blocks: Blocks) -> Periods:
    hashes = row_hashes(identified_by(columns, signature))
    order = np.argsort(hashes, kind="stable")
    is_copy = np.zeros(len(hashes), dtype=bool)
    is_copy[order[1:]] = np.diff(hashes[order]) == 0
    inside = blocks.of_rows >= 0
    rows = np.bincount(blocks.of_rows[inside], minlength=blocks.number)
    copies = np.bincount(blocks.of_rows[inside & is_copy], minlength=blocks.number)
    first = str(np.datetime64(blocks.first, "D"))
    return Periods(blocks.days, first, zone_of(signature), rows, copies)
