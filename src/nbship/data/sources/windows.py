"""A window of new data: days from inclusive, to exclusive, in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from ...errors import WindowError

__all__ = ["DataWindow", "parse_days"]


@dataclass(frozen=True)
class DataWindow:
    """The days of a window.

    Attributes
    ----------
    first, to
        The first day, and the first day after the window.

    Examples
    --------
    >>> window = DataWindow(date(2013, 7, 1), date(2013, 7, 8), ZoneInfo("America/New_York"))
    >>> window.name, window.days, window.start.isoformat()
    ('2013-07-01_2013-07-08', 7, '2013-07-01T04:00:00+00:00')
    """

    first: date
    to: date
    zone: ZoneInfo

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.first}_{self.to}"

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.to - self.first).days

    @property
    def start(self) -> datetime:
        """The first instant, in UTC."""
        return self._midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first instant after the window, in UTC."""
        return self._midnight(self.to)

    def __str__(self) -> str:
        return f"{self.first} to {self.to}"

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=self.zone).astimezone(UTC)


def parse_days(first: str, to: str, *, zone: ZoneInfo) -> DataWindow:
    """Return the window between two dates of ISO 8601.

    Raises
    ------
    WindowError
        If one is not a date, or the window does not end after it starts.

    >>> parse_days("2013-07-08", "2013-07-01", zone=ZoneInfo("UTC"))
    Traceback (most recent call last):
    ...
    nbship.errors.WindowError: The window from '2013-07-08' to '2013-07-01' is empty. Give a 'to' later than 'from'; the window ends just before 'to'.
    """
    days = []
    for given in (first, to):
        try:
            days.append(date.fromisoformat(given))
        except ValueError as error:
            raise WindowError(f"'{given}' is not a date. Write it such as '2013-07-01'.") from error
    if days[1] <= days[0]:
        raise WindowError(
            f"The window from '{first}' to '{to}' is empty. Give a 'to' later than 'from'; the window ends just before 'to'."
        )
    return DataWindow(days[0], days[1], zone)
