"""What a table must look like: expectations, failures that can be counted, rows set aside.

A table that lacks a column or holds the wrong type is refused as a whole. A row that breaks an expectation
is set aside with the reason; too many such rows refuse the table.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import EmptyDataError, SchemaError, SchemaFailure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Check", "Column", "Table", "Validation", "validate"]

Kind: TypeAlias = Literal["text", "integer", "number", "instant", "truth"]


@dataclass(frozen=True)
class Column:
    """What one column must hold.

    Attributes
    ----------
    kind
        `text`, `integer` (whole numbers, also where gaps made them floats), `number`, `instant` (with a time
        zone) or `truth`.
    nullable
        Whether a value may be missing.
    minimum, maximum
        Inclusive bounds of numbers and instants.
    categories
        The only values allowed.
    """

    kind: Kind
    nullable: bool = False
    minimum: Any = None
    maximum: Any = None
    categories: Sequence[Any] | None = None


@dataclass(frozen=True)
class Check:
    """An expectation on whole rows: `holds` takes the frame and gives one truth value a row."""

    name: str
    holds: Callable[[pd.DataFrame], Any]


@dataclass(frozen=True)
class Table:
    """What a table must look like.

    Attributes
    ----------
    key
        Columns that together name a row; every later row of the same key is set aside.
    max_bad_share
        The share of rows that may be set aside before the table is refused.
    """

    name: str
    columns: Mapping[str, Column]
    key: Sequence[str] = ()
    checks: Sequence[Check] = ()
    min_rows: int = 1
    max_bad_share: float = 0.01


@dataclass(frozen=True)
class Validation:
    """What became of a table's rows.

    Attributes
    ----------
    accepted
        The rows that meet every expectation, in their order, with the schema's columns only.
    quarantined
        The others, with a column `reasons`.
    failures
        One for each expectation that was broken, with its count.
    """

    table: str
    accepted: pd.DataFrame
    quarantined: pd.DataFrame
    failures: tuple[SchemaFailure, ...]

    def summary(self) -> dict[str, Any]:
        """Counts for a report, as JSON can hold them."""
        return {
            "rows": len(self.accepted) + len(self.quarantined),
            "accepted": len(self.accepted),
            "quarantined": len(self.quarantined),
            "failures": [
                {"column": failure.column, "expectation": failure.expectation, "rows": failure.rows}
                for failure in self.failures
            ],
        }


def validate(frame: pd.DataFrame, table: Table) -> Validation:
    """Sort the rows of `frame` into those that meet `table`'s expectations and those that do not.

    Raises
    ------
    EmptyDataError
        If there are fewer rows than `min_rows`.
    SchemaError
        If a column is missing or of another kind, or too large a share of rows is bad; `failures` holds each.

    Examples
    --------
    >>> import pandas as pd
    >>> seats = Table("planes", {"seats": Column("number", minimum=1)}, max_bad_share=0.5)
    >>> found = validate(pd.DataFrame({"seats": [2.0, 0.0]}), seats)
    >>> found.summary()["failures"]
    [{'column': 'seats', 'expectation': 'is at least 1', 'rows': 1}]
    """
    if len(frame) < table.min_rows:
        raise EmptyDataError(
            f"Table '{table.name}' has {len(frame)} rows where at least {table.min_rows} are needed. Check the window and the source."
        )
    _refuse_structure(frame, table)
    kept = frame[list(table.columns)].reset_index(drop=True)
    broken = [(column, text, ~holds) for column, text, holds in _expectations(kept, table) if not holds.all()]
    failures = tuple(
        SchemaFailure(table=table.name, column=column, expectation=text, rows=int(bad.sum()))
        for column, text, bad in broken
    )
    bad_rows = _any(kept, [bad for *_, bad in broken])
    _refuse_too_many(int(bad_rows.sum()), len(kept), table=table, failures=failures)
    quarantined = kept[bad_rows].assign(reasons=_reasons(kept, broken)[bad_rows])
    return Validation(table.name, kept[~bad_rows].reset_index(drop=True), quarantined.reset_index(drop=True), failures)


def _refuse_structure(frame: pd.DataFrame, table: Table) -> None:
    failures = []
    for name, column in table.columns.items():
        if name not in frame:
            near = difflib.get_close_matches(name, [str(found) for found in frame.columns], n=1)
            hint = f" (there is '{near[0]}')" if near else ""
            failures.append(SchemaFailure(table.name, name, f"is there{hint}", len(frame)))
        elif not _is_kind(frame[name], column.kind):
            failures.append(
                SchemaFailure(table.name, name, f"holds {column.kind}, not {frame[name].dtype}", len(frame))
            )
    if failures:
        raise SchemaError(
            f"Table '{table.name}' is not as expected: {_bounded(failures)}. Correct the source or the schema.",
            failures=failures,
        )


def _is_kind(values: pd.Series, kind: Kind) -> bool:
    from pandas.api import types

    if kind == "text":
        return types.is_string_dtype(values) or bool(values.isna().all())
    if kind == "instant":
        return isinstance(values.dtype, _zoned())
    if kind == "truth":
        return types.is_bool_dtype(values)
    return types.is_numeric_dtype(values) and not types.is_bool_dtype(values)


def _zoned() -> Any:
    import pandas as pd

    return pd.DatetimeTZDtype


def _expectations(frame: pd.DataFrame, table: Table) -> list[tuple[str | None, str, pd.Series]]:
    found: list[tuple[str | None, str, pd.Series]] = []
    for name, column in table.columns.items():
        values = frame[name]
        null = values.isna()
        if not column.nullable:
            found.append((name, "is not null", ~null))
        if column.kind == "integer":
            found.append((name, "is a whole number", null | (values % 1 == 0)))
        if column.minimum is not None:
            found.append((name, f"is at least {column.minimum}", null | (values >= column.minimum)))
        if column.maximum is not None:
            found.append((name, f"is at most {column.maximum}", null | (values <= column.maximum)))
        if column.categories is not None:
            found.append((name, "is a known category", null | values.isin(list(column.categories))))
    if table.key:
        found.append((None, f"is the only row with its {', '.join(table.key)}", ~frame.duplicated(list(table.key))))
    found.extend((None, check.name, _rowwise(frame, check)) for check in table.checks)
    return found


def _rowwise(frame: pd.DataFrame, check: Check) -> pd.Series:
    import pandas as pd

    return pd.Series(check.holds(frame), index=frame.index).astype(bool)


def _any(frame: pd.DataFrame, masks: Sequence[pd.Series]) -> pd.Series:
    import pandas as pd

    bad = pd.Series(False, index=frame.index)
    for mask in masks:
        bad |= mask
    return bad


def _reasons(frame: pd.DataFrame, broken: Sequence[tuple[str | None, str, pd.Series]]) -> pd.Series:
    import pandas as pd

    reasons = pd.Series("", index=frame.index, dtype="str")
    for column, text, bad in broken:
        reason = f"{column} {text}" if column else text
        reasons = reasons.mask(bad, reasons.where(reasons == "", reasons + "; ") + reason)
    return reasons


def _refuse_too_many(bad: int, rows: int, *, table: Table, failures: Sequence[SchemaFailure]) -> None:
    if bad > table.max_bad_share * rows:
        raise SchemaError(
            f"Table '{table.name}' has {bad} bad rows of {rows}, more than the {table.max_bad_share:.2%} that may be set aside: {_bounded(failures)}. Correct the source.",
            failures=failures,
        )


def _bounded(failures: Sequence[SchemaFailure]) -> str:
    shown = "; ".join(
        f"'{failure.column or 'row'}' {failure.expectation} fails in {failure.rows} rows" for failure in failures[:5]
    )
    more = len(failures) - 5
    return shown + (f"; and {more} more" if more > 0 else "")
