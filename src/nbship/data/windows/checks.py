"""Whether a window is accepted: written as declared, not empty, not late, and as large as earlier windows.

Each problem has a sentence of its own. The order matters: rows in another format are also too few, and a source that is late
is also half empty; the sentence that names the cause comes first.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from ...errors import EmptyDataError, WindowError
from ...text import counted, listed, plural
from ..sources import DataWindow, DeclaredSource
from .dates import exchange_day_and_month
from .facts import Facts, Failure

__all__ = ["Earlier", "check_window"]

# Earlier windows that the number of rows is compared with.
_COMPARED = 8
# Without a key, equal rows may be meant; a whole window twice is not.
_REPEATED_SHARE = 0.4


@dataclass(frozen=True)
class Earlier:
    """An earlier window of the same source that was accepted."""

    window: DataWindow
    rows: int


def check_window(
    source: DeclaredSource,
    window: DataWindow,
    facts: Facts,
    earlier: Sequence[Earlier] = (),
    *,
    any_count: bool = False,
) -> None:
    """Raise an error if a window is not accepted.

    Parameters
    ----------
    earlier
        The windows that the number of rows is compared with.
    any_count
        Accept any number of rows but none.

    Raises
    ------
    EmptyDataError
        If it has no rows.
    WindowError
        If it has another problem; `problem` names it.
    """
    _check_bad_rows(source, window, facts)
    _check_order_of_dates(source, window, facts)
    if not facts.rows:
        others = f" {counted(facts.outside, 'row')} of other windows were found." if facts.outside else ""
        raise EmptyDataError(
            f"The source '{source.name}' is empty: it has no rows from {window}.{others} Check the source, and the column '{source.settings.time}'."
        )
    _check_duplicates(source, facts)
    _check_time(source, window, facts)
    if not any_count:
        _check_count(source, window, facts, earlier)


def _check_order_of_dates(source: DeclaredSource, window: DataWindow, facts: Facts) -> None:
    # Every value is a date in both orders: the window decides.
    name = source.settings.time
    if name in source.settings.dates and facts.exchanged >= max(1, 2 * facts.rows):
        format = source.settings.dates[name]
        raise WindowError(
            f"The source '{source.name}' has another date order: in the declared format '{format}' of column '{name}', {counted(facts.rows, 'row')} of {window} {plural(facts.rows, 'is', 'are')} found; "
            f"in '{exchange_day_and_month(format)}', {facts.exchanged:,}, the first in {facts.place(facts.first_exchanged)}. Correct '{source.key}.dates.{name}', or the source.",
            problem="dates",
        )


def _check_bad_rows(source: DeclaredSource, window: DataWindow, facts: Facts) -> None:
    total = facts.rows + facts.bad + (facts.duplicates if source.settings.key else 0)
    if facts.bad <= source.settings.max_bad_share * total:
        return
    share = f"{counted(facts.bad, 'row')} of {total:,}"
    for failure in facts.failures:
        if failure.column in facts.formats:
            _reject_format(source, facts, failure, share)
        if failure.column in facts.decimals:
            _reject_decimals(source, facts, failure, share)
    shown = [f"'{each.expectation}' fails in {counted(each.rows, 'row')}, first in {facts.place(each.first)}" for each in facts.failures]  # fmt: skip
    raise WindowError(
        f"The source '{source.name}' has too many bad rows: {share}, more than {source.settings.max_bad_share:.2%}. "
        f"{listed(shown, most=3, separator='; ')}. Correct the source, or what '{source.key}' declares.",
        problem="rows",
    )


def _reject_format(source: DeclaredSource, facts: Facts, failure: Failure, share: str) -> NoReturn:
    name = failure.column
    declared = source.settings.dates.get(name)
    what = "format of dates"
    if declared and facts.formats[name] == exchange_day_and_month(declared):
        what = "date order"
    fits = "ISO 8601 reads" if facts.formats[name] == "iso" else f"'{facts.formats[name]}' reads"
    remedy = "remove" if facts.formats[name] == "iso" else "correct"
    raise WindowError(
        f"The source '{source.name}' has another {what}: column '{name}' of {facts.place(failure.first)} is not in "
        f"{f'the declared format {declared!r}' if declared else 'ISO 8601'} ({share}); {fits} all of them. If the source changed, {remedy} '{source.key}.dates.{name}'.",
        problem="dates",
    )


def _reject_decimals(source: DeclaredSource, facts: Facts, failure: Failure, share: str) -> NoReturn:
    other = "," if source.settings.decimal == "." else "."
    raise WindowError(
        f"The source '{source.name}' has another decimal mark: column '{failure.column}' of {facts.place(failure.first)} has '{other}', "
        f"and '{source.settings.decimal}' is declared ({share}). Correct '{source.key}.decimal', or the source.",
        problem="decimal",
    )


def _check_duplicates(source: DeclaredSource, facts: Facts) -> None:
    key = source.settings.key
    total = facts.rows + (facts.duplicates if key else 0)
    most = source.settings.max_bad_share if key else _REPEATED_SHARE
    if facts.duplicates <= most * total:
        return
    what = f"have the {', '.join(key)} of another row" if key else "equal another row"
    raise WindowError(
        f"The source '{source.name}' has duplicate rows: {facts.duplicates:,} of {total:,} {what}, first in {facts.place(facts.first_duplicate)}. "
        f"It was probably loaded twice: remove one load{'' if key else ', or declare a key'}.",
        problem="duplicates",
    )


def _check_time(source: DeclaredSource, window: DataWindow, facts: Facts) -> None:
    allowed = source.settings.fresh_hours
    latest = datetime.fromisoformat(facts.latest)
    age = (window.end - latest).total_seconds() / 3600
    if allowed and age > allowed:
        raise WindowError(
            f"The source '{source.name}' is late: its latest row of {window} is from {latest.astimezone(window.zone):%Y-%m-%d %H:%M}, {age:,.0f} hours before the end, "
            f"and {allowed:g} are allowed. Fetch again when the source has caught up, or raise '{source.key}.fresh_hours'.",
            problem="late",
        )


def _check_count(source: DeclaredSource, window: DataWindow, facts: Facts, earlier: Sequence[Earlier]) -> None:
    settings, rows = source.settings, facts.rows
    if rows < settings.min_rows:
        raise WindowError(
            f"The source '{source.name}' is too small: {counted(rows, 'row')} from {window}, and '{source.key}.min_rows' is {settings.min_rows:,}. Check the source, or lower the limit.",
            problem="count",
        )
    if not earlier:
        return
    compared = sorted(earlier, key=lambda each: each.window.first)[-_COMPARED:]
    # Months differ in length.
    usual = statistics.median(each.rows / each.window.days for each in compared) * window.days
    windows = f"{usual:,.0f} are usual in {counted(len(compared), 'earlier window')} of this length"
    remedy = "If that is right, fetch with --any-count"
    if rows < settings.min_share * usual:
        raise WindowError(
            f"The source '{source.name}' is incomplete: {counted(rows, 'row')} from {window}, and {windows}. "
            f"Fetch again when the source is complete. {remedy}, or lower '{source.key}.min_share'.",
            problem="incomplete",
        )
    if settings.max_share and rows > settings.max_share * usual:
        raise WindowError(
            f"The source '{source.name}' has too many rows: {rows:,} from {window}, and {windows}. "
            f"Check that nothing was loaded twice. {remedy}, or raise '{source.key}.max_share'.",
            problem="count",
        )
