"""Sources of new data that could never be read: their addresses, columns, formats and limits."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import SettingsError
from ..text import did_you_mean, listed
from .data_settings import DataSection, SourceSection
from .database_urls import is_url
from .schedule_values import WINDOW_LENGTHS

__all__ = ["REFERENCE", "check_data"]

# A reference to an environment variable.
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,40}[a-z0-9])?")
_PASSWORD = re.compile(r"://[^/@]*:(?P<password>[^@]*)@")
_HOST = re.compile(r"[\w.-]+|\[?[0-9A-Fa-f:.]+\]?")
_HTTP = ("http://", "https://")


def check_data(data: DataSection) -> None:
    """Raise SettingsError for a source that could never be read.

    >>> columns = {"day": "timestamp"}
    >>> check_data(DataSection(sources={"shop": SourceSection("shop.csv", columns, "day")}))
    >>> check_data(DataSection(sources={"shop": SourceSection("shop.csv", columns, "days")}))
    Traceback (most recent call last):
    ...
    nbship.errors.SettingsError: 'data.sources.shop.time' is 'days', which is not one of the columns. Did you mean 'day'?
    """
    for name, source in data.sources.items():
        where = f"data.sources.{name}"
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"The source '{name}' cannot have this name. Use up to 42 lower-case letters, digits, hyphens and underscores, such as 'orders'."
            )
        _check_address(where, source)
        _check_columns(where, source)
        _check_reading(where, source)


def _check_address(where: str, source: SourceSection) -> None:
    password = _PASSWORD.search(source.url)
    if password and not REFERENCE.fullmatch(password["password"]):
        raise SettingsError(
            f"'{where}.url' holds a password. Put it into an environment variable, and write a reference such as ${{SHOP_PASSWORD}} in its place."
        )
    for header, value in source.headers.items():
        if not REFERENCE.search(value) and header.lower() in ("authorization", "cookie", "x-api-key"):
            raise SettingsError(
                f"'{where}.headers.{header}' holds a secret. Put it into an environment variable, and write a reference such as ${{SHOP_TOKEN}} in its place."
            )
    if source.table and source.query:
        raise SettingsError(f"'{where}' has both 'table' and 'query'. Keep one of them.")
    is_reference = REFERENCE.match(source.url) is not None
    is_http = source.url.startswith(_HTTP)
    is_database = is_url(source.url) and not is_http
    if is_database and not (source.table or source.query):
        raise SettingsError(f"'{where}' is a database. Add the 'table' or the 'query' to read.")
    if (source.table or source.query) and not is_database and not is_reference:
        raise SettingsError(f"'{where}' has a 'table' or 'query', which applies only to databases. Remove it.")
    if source.query and not all(re.search(rf"\${each}\b", source.query) for each in ("from", "to")):
        raise SettingsError(
            f"'{where}.query' does not use $from and $to, the first day of the window and the first day after it. "
            f"Use them, such as `WHERE {source.time} >= $from AND {source.time} < $to`."
        )
    for host in source.allow_private:
        if not _HOST.fullmatch(host):
            raise SettingsError(
                f"'{where}.allow_private' has '{host}', which is not a host. Write a name or an address such as 'files.corp.example', without scheme and port."
            )


def _check_columns(where: str, source: SourceSection) -> None:
    columns = source.columns
    for key, names in {"time": [source.time], "key": source.key, "dates": source.dates}.items():
        for name in names:
            if name not in columns:
                hint = did_you_mean(name, columns, otherwise=f"Columns: {listed(columns)}.")
                raise SettingsError(f"'{where}.{key}' is '{name}', which is not one of the columns. {hint}")
    kinds = {name: column if isinstance(column, str) else column.kind for name, column in columns.items()}
    for name in (source.time, *source.dates):
        if kinds[name] != "timestamp":
            raise SettingsError(
                f"The column '{name}' of '{where}' is of the kind '{kinds[name]}', but times are of the kind 'timestamp'. Correct it."
            )
    for name, column in columns.items():
        limited = not isinstance(column, str) and (column.minimum, column.maximum) != (None, None)
        if limited and kinds[name] not in ("integer", "number"):
            raise SettingsError(
                f"The column '{name}' of '{where}' has limits, which apply only to numbers. Remove them."
            )
        if not isinstance(column, str) and column.categories and kinds[name] != "string":
            raise SettingsError(
                f"The column '{name}' of '{where}' has categories, which apply only to strings. Remove them."
            )
    for name, format in source.dates.items():
        _check_format(f"{where}.dates.{name}", format)


def _check_format(where: str, format: str) -> None:
    sample = datetime(2013, 7, 31, 18, 5, tzinfo=UTC)
    try:
        found = datetime.strptime(sample.strftime(format), format)
    except ValueError as error:
        raise SettingsError(
            f"'{where}' is '{format}', which is not a format of dates. Write one such as '%d/%m/%Y %H:%M'."
        ) from error
    if found.date() != sample.date():
        raise SettingsError(
            f"'{where}' is '{format}', which does not hold year, month and day. Write a format such as '%d/%m/%Y'."
        )


def _check_reading(where: str, source: SourceSection) -> None:
    try:
        codecs.lookup(source.encoding)
        "a,1\n".encode(source.encoding)
    except (LookupError, ValueError, AssertionError) as error:
        raise SettingsError(
            f"'{where}.encoding' is '{source.encoding}', which is not an encoding. Write one such as utf-8, latin-1 or utf-16."
        ) from error
    if len(source.delimiter) != 1 or source.delimiter in '"\r\n':
        raise SettingsError(
            f"'{where}.delimiter' is '{source.delimiter}', which is not one character. Write one such as ';' or \"\\t\"."
        )
    if source.decimal == source.delimiter:
        raise SettingsError(
            f"'{where}.decimal' and '{where}.delimiter' are both '{source.decimal}'. Correct one of them."
        )
    if not WINDOW_LENGTHS.fullmatch(source.window):
        hint = did_you_mean(source.window, _LENGTHS, otherwise="Write 'day', 'week', 'month' or such as '28 days'.")
        raise SettingsError(f"'{where}.window' is '{source.window}', which is not known. {hint}")
    try:
        ZoneInfo(source.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"'{where}.timezone' is '{source.timezone}', which is not a time zone. Use an IANA name such as 'America/New_York'."
        ) from error


_LENGTHS: Iterable[str] = ("day", "week", "month")
