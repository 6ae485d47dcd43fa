"""Schemas of tables: expectations, counted failures, quarantined rows.

A table that lacks a column or has one of the wrong type fails as a whole. A row that breaks an expectation is
quarantined with the reason; too many such rows fail the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import EmptyDataError, SchemaError, SchemaFailure
from ..text import counted, listed, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Check", "Column", "Table", "Validation", "validate"]

Kind: TypeAlias = Literal["string", "integer", "number", "timestamp", "boolean"]


@dataclass(frozen=True)
class Column:
    """The expectations of one column.

    Attributes
    ----------
    kind
        `string`, `integer` (also as floats, which pandas makes of integers with gaps), `number`, `timestamp` (with
        a time zone) or `boolean`.
    nullable
        Whether a value may be missing.
    minimum, maximum
        Inclusive bounds of numbers and timestamps.
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
    """An expectation of whole rows: `holds` takes the frame and returns one boolean per row."""

    name: str
    holds: Callable[[pd.DataFrame], Any]


@dataclass(frozen=True)
class Table:
    """The expectations of a table.

    Attributes
    ----------
    key
        Columns that identify a row; later rows of the same key are quarantined.
    max_bad_share
        The largest share of rows that may be quarantined.
    """

    name: str
    columns: Mapping[str, Column]
    key: Sequence[str] = ()
    checks: Sequence[Check] = ()
    min_rows: int = 1
    max_bad_share: float = 0.01


@dataclass(frozen=True)
class Validation:
    """The result of a validation.

    Attributes
    ----------
    accepted
        The rows that meet every expectation, in order, with the schema's columns only.
    quarantined
        The other rows, with a column `reasons`.
    failures
        The broken expectations, with their numbers of rows.
    """

    table: str
    accepted: pd.DataFrame
    quarantined: pd.DataFrame
    failures: tuple[SchemaFailure, ...]

    def summary(self) -> dict[str, Any]:
        """Return the counts, as values for JSON."""
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
    """Separate the rows of `frame` that meet the expectations of `table` from those that do not.

    Raises
    ------
    EmptyDataError
        If there are fewer rows than `min_rows`.
    SchemaError
        If a column is missing or of another kind, or too many rows are bad; `failures` holds every broken expectation.

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
            f"Table '{table.name}' has {counted(len(frame), 'row')}, fewer than the required {table.min_rows}. Check the window and the source."
        )
    _check_structure(frame, table)
    rows = frame[list(table.columns)].reset_index(drop=True)
    broken = [(column, text, ~holds) for column, text, holds in _expectations(rows, table) if not holds.all()]
    failures = tuple(
        SchemaFailure(table=table.name, column=column, expectation=text, rows=int(bad.sum()))
        for column, text, bad in broken
    )
    bad_rows = _any(rows, [bad for *_, bad in broken])
    _check_bad_rows(int(bad_rows.sum()), len(rows), table=table, failures=failures)
    quarantined = rows[bad_rows].assign(reasons=_reasons(rows, broken)[bad_rows])
    return Validation(table.name, rows[~bad_rows].reset_index(drop=True), quarantined.reset_index(drop=True), failures)


def _check_structure(frame: pd.DataFrame, table: Table) -> None:
    failures = []
    for name, column in table.columns.items():
        if name not in frame:
            near = nearest(name, map(str, frame.columns))
            hint = f" (did you mean '{near}'?)" if near else ""
            failures.append(SchemaFailure(table.name, name, f"exists{hint}", len(frame)))
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

    if kind == "string":
        return types.is_string_dtype(values) or bool(values.isna().all())
    if kind == "timestamp":
        return isinstance(values.dtype, _zoned())
    if kind == "boolean":
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
            found.append((name, "is an integer", null | (values % 1 == 0)))
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


def _check_bad_rows(bad: int, rows: int, *, table: Table, failures: Sequence[SchemaFailure]) -> None:
    if bad > table.max_bad_share * rows:
        raise SchemaError(
            f"Table '{table.name}' has {counted(bad, 'bad row')} of {rows}, more than the allowed {table.max_bad_share:.2%}: {_bounded(failures)}. Correct the source.",
            failures=failures,
        )


def _bounded(failures: Sequence[SchemaFailure]) -> str:
    texts = (
        f"'{failure.column or 'row'} {failure.expectation}' fails in {counted(failure.rows, 'row')}"
        for failure in failures
    )
    return listed(texts, most=5, separator="; ")
