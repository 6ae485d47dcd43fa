"""Expectations of nbship.yaml: how predictions must respond to a change of inputs (Ribeiro et al. 2020, CheckList).

A change is an assignment, or several with commas between them::

    order = 1                                         every row gets this value
    plate = null                                      no value
    shop = "north, upper floor"                       strings with commas or spaces are quoted
    age + 10, income * 1.1                            numbers
    start + 7 days, end + 7 days                      timestamps: seconds, minutes, hours or days

The answer is "same" (invariance), "not lower" or "not higher" (direction), in at least `share` of the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, SettingsError
from ..project import ExpectationSection
from ..text import did_you_mean
from .checks import FAILED, PASSED, Check
from .evidence import Evidence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Change", "expectation_checks", "expectation_problems", "read_changes"]

_MOST_ROWS = 5000
_PART = re.compile(r"""\s*(?P<field>[^\s=+*-]+)\s*(?P<sign>[=+*-])\s*(?P<value>"[^"]*"|[^,]*?)\s*(?:,|$)""")
_AMOUNT = re.compile(r"(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>second|minute|hour|day)s?")
_WORDS = {"null": None, "true": True, "false": False}


@dataclass(frozen=True)
class Change:
    """A change of one field: `sign` is "=", "+", "-" or "*"; `unit` is the unit of time that a timestamp is moved by."""

    field: str
    sign: str
    value: Any
    unit: str = ""

    def apply(self, column: pd.Series[Any]) -> Any:
        """Return the changed column.

        Raises
        ------
        SettingsError
            If the field does not hold what is calculated with.
        """
        import pandas as pd

        if self.sign == "=":
            return pd.Series([self.value] * len(column), index=column.index, dtype=self._type(column))
        is_time = pd.api.types.is_datetime64_any_dtype(column)
        if bool(self.unit) != is_time or not (is_time or pd.api.types.is_numeric_dtype(column)):
            needs = (
                "needs a unit, such as '1 hour'"
                if is_time
                else "is not a timestamp"
                if self.unit
                else "is not a number"
            )
            raise SettingsError(
                f"'{self.field}' in 'gates.expectations' of nbship.yaml {needs}. Change the expectation."
            )
        amount = pd.Timedelta(**{f"{self.unit}s": self.value}) if self.unit else self.value
        if self.sign == "*":
            return column * amount
        return column + amount if self.sign == "+" else column - amount

    def _type(self, column: pd.Series[Any]) -> Any:
        if isinstance(self.value, str):
            return "datetime64[us, UTC]" if "datetime" in str(column.dtype) else object
        if self.value is None:
            return float if column.dtype.kind in "iufb" else column.dtype
        return None


def read_changes(text: str) -> tuple[Change, ...]:
    """Read a change of an expectation.

    Raises
    ------
    SettingsError
        If it cannot be read.

    Examples
    --------
    >>> read_changes("age + 10, start - 1 hour")
    (Change(field='age', sign='+', value=10, unit=''), Change(field='start', sign='-', value=1, unit='hour'))
    """
    found, end = [], 0
    while end < len(text):
        match = _PART.match(text, end)
        if match is None or match.end() == end:
            break
        found.append(_change(text, match["field"], match["sign"], match["value"]))
        end = match.end()
    if not found or end < len(text):
        raise _unreadable(text)
    return tuple(found)


def expectation_problems(expectations: Sequence[ExpectationSection]) -> Iterator[str]:
    """Yield what is wrong with the changes of expectations, before there are rows."""
    for each in expectations:
        try:
            read_changes(each.change)
        except SettingsError as error:
            yield str(error)


def _change(text: str, field: str, sign: str, value: str) -> Change:
    if sign == "=":
        return Change(field, sign, _value(value))
    amount = _AMOUNT.fullmatch(value)
    if amount and sign != "*":
        return Change(field, sign, _value(amount["number"]), amount["unit"])
    number = _value(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise _unreadable(text)
    return Change(field, sign, number)


def _value(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return _WORDS.get(text, text)


def _unreadable(text: str) -> SettingsError:
    return SettingsError(
        f"'gates.expectations' in nbship.yaml has the change '{text}', which cannot be read. Write 'field = value', 'field + 10' or 'field + 1 hour'."
    )


def expectation_checks(evidence: Evidence, expectations: Sequence[ExpectationSection]) -> Iterator[Check]:
    """Check each expectation on up to 5,000 held-out rows, evenly spaced.

    Raises
    ------
    SettingsError
        If a change cannot be read, or names a field that the rows do not have.
    """
    if not expectations:
        return
    number = len(evidence.holdout)
    frame = evidence.holdout.iloc[np.linspace(0, number - 1, min(_MOST_ROWS, number)).astype(np.intp)]
    before = evidence.predict(frame)
    for each in expectations:
        yield _check(each, _answers(evidence, frame, each.change) - before)


def _answers(evidence: Evidence, frame: pd.DataFrame, text: str) -> np.ndarray[Any, Any]:
    changed = {}
    for change in read_changes(text):
        if change.field not in frame:
            hint = did_you_mean(change.field, map(str, frame), otherwise="Name a column of the held-out rows.")
            raise SettingsError(
                f"'gates.expectations' in nbship.yaml changes '{change.field}', which the rows do not have. {hint}"
            )
        changed[change.field] = change.apply(frame[change.field])
    try:
        return evidence.predict(frame.assign(**changed))
    except (TypeError, ValueError, DataError) as error:
        raise SettingsError(
            f"The model does not accept rows with '{text}' of 'gates.expectations' in nbship.yaml: {error}"
        ) from error


def _check(expectation: ExpectationSection, difference: np.ndarray[Any, Any]) -> Check:
    answer, limit, within = expectation.answer, expectation.share, expectation.within
    good = {
        "same": np.abs(difference) <= within,
        "not lower": difference >= -within,
        "not higher": difference <= within,
    }[answer]
    name, share = f"{expectation.change}: {answer}", float(np.mean(good))
    if share >= limit:
        return Check(
            name,
            PASSED,
            f"With '{expectation.change}' the prediction is {answer} in {share:.1%} of the rows.",
            share,
            limit,
        )
    worst = float(difference[np.argmax(np.where(good, -1.0, np.abs(difference)))])
    reason = f"With '{expectation.change}' the prediction should be {answer} in {limit:.1%} of the rows, and is in {share:.1%}; the largest change is {worst:+.4f}. Mend the features, or constrain the model (such as monotonic_cst)."
    return Check(name, FAILED, reason, share, limit)
