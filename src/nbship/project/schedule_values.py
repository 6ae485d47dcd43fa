"""Schedules that could never run: their names, times, windows and arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import SettingsError
from ..text import did_you_mean
from .settings import ScheduleSection

__all__ = ["PLACEHOLDERS", "WINDOW_LENGTHS", "check_schedules", "inherited_window"]

# What is replaced in the arguments of a job.
PLACEHOLDERS = ("from", "to", "scheduled")
# A name is a part of file names and of identifiers in other schedulers.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# The number of arguments of each job.
_ARGUMENTS = {
    "predict": "the input and the output",
    "labels": "the file of labels",
    "notebook": "the path of a notebook",
}
_FIELDS = 5
# Lengths of windows.
WINDOW_LENGTHS = re.compile(r"day|week|month|[1-9]\d{0,2} days")
_NICKNAMES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip


def check_schedules(schedules: Mapping[str, ScheduleSection]) -> None:
    """Raise SettingsError for a schedule that could never run.

    >>> check_schedules({"report": ScheduleSection("monitor", "0 6 * * 1", window="week")})
    >>> check_schedules({"report": ScheduleSection("monitor", "0 6 * * 1")})
    Traceback (most recent call last):
    ...
    nbship.errors.SettingsError: The schedule 'report' runs 'monitor', which needs a window. Add one, such as `window: week`.
    """
    for name, schedule in schedules.items():
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"The schedule '{name}' cannot have this name. Use up to 42 lower-case letters, digits and hyphens, such as 'weekly-report'."
            )
        if schedule.after:
            _check_after(name, schedules)
        else:
            _check_times(name, schedule)
        _check_window(name, schedules)
        _check_arguments(name, schedules)


def _check_after(name: str, schedules: Mapping[str, ScheduleSection]) -> None:
    schedule, trail = schedules[name], [name]
    if schedule.cron:
        raise SettingsError(f"The schedule '{name}' has both 'cron' and 'after'. Keep one of them.")
    if schedule.after not in schedules:
        hint = did_you_mean(schedule.after, schedules, otherwise="Correct the name, or add that schedule.")
        raise SettingsError(f"The schedule '{name}' runs after '{schedule.after}', which is not a schedule. {hint}")
    while following := schedules[trail[-1]].after:
        if following in trail:
            raise SettingsError(
                f"The schedule '{name}' runs after '{following}', which runs after it. Give one of them times: `cron`."
            )
        if following not in schedules:
            return  # an error of that schedule
        trail.append(following)
    if schedule.catch_up == "none":
        raise SettingsError(
            f"The schedule '{name}' has `catch_up: none`, which applies only to times of cron. Write 'latest' or 'all'."
        )
    if schedule.timezone:
        raise SettingsError(f"The schedule '{name}' has a time zone, which applies only to times of cron. Remove it.")


def _check_times(name: str, schedule: ScheduleSection) -> None:
    cron = schedule.cron.strip()
    if not cron:
        raise SettingsError(
            f"The schedule '{name}' has no times. Add `cron`, such as '30 6 * * MON-FRI', or `after` with the name of another schedule."
        )
    problem = f"The schedule '{name}' has the times '{schedule.cron}'"
    if cron in _NICKNAMES:
        raise SettingsError(f"{problem}, which is a short form. Write '{_NICKNAMES[cron]}'.")
    if len(cron.split()) != _FIELDS:
        raise SettingsError(
            f"{problem}, which are not the five fields of cron: minute, hour, day of the month, month and day of the week. "
            "Write them such as '30 6 * * MON-FRI'."
        )
    try:
        _parse(cron)
    except ImportError:
        return  # without cronsim, no schedule can run
    except ValueError as error:
        raise SettingsError(
            f"{problem}, whose {error} is not valid. Write the fields as for cron, such as '30 6 * * MON-FRI'."
        ) from error
    try:
        ZoneInfo(schedule.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"The schedule '{name}' names an unknown time zone '{schedule.timezone}'. Use an IANA name such as 'America/New_York'."
        ) from error


def _parse(cron: str) -> None:
    """Raise ValueError with the name of a field that is not valid."""
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(str(error).removeprefix("Bad ").replace("-", " ") or "day of month") from error


def _check_window(name: str, schedules: Mapping[str, ScheduleSection]) -> None:
    schedule = schedules[name]
    window = schedule.window
    if window and not WINDOW_LENGTHS.fullmatch(window):
        hint = did_you_mean(
            window, ["day", "week", "month"], otherwise="Write 'day', 'week', 'month' or such as '28 days'."
        )
        raise SettingsError(f"The schedule '{name}' has the window '{window}', which is not known. {hint}")
    if schedule.job in ("monitor", "data") and not inherited_window(name, schedules):
        raise SettingsError(
            f"The schedule '{name}' runs '{schedule.job}', which needs a window. Add one, such as `window: week`."
        )


def inherited_window(name: str, schedules: Mapping[str, ScheduleSection]) -> str:
    """Return the window of a schedule: its own, or that of the schedule that it runs after; empty without one.

    >>> schedules = {"new": ScheduleSection("data", "0 5 * * *", window="day"), "report": ScheduleSection("monitor", after="new")}
    >>> inherited_window("report", schedules)
    'day'
    """
    for _ in schedules:
        if name not in schedules or schedules[name].window:
            break
        name = schedules[name].after
    return schedules[name].window if name in schedules else ""


def _check_arguments(name: str, schedules: Mapping[str, ScheduleSection]) -> None:
    schedule = schedules[name]
    if schedule.branch and schedule.job not in ("run", "data"):
        raise SettingsError(
            f"The schedule '{name}' has a branch, which applies only to the jobs 'run' and 'data'. Remove it."
        )
    if schedule.job in _ARGUMENTS and not schedule.arguments:
        raise SettingsError(
            f"The schedule '{name}' runs '{schedule.job}' without arguments. Add {_ARGUMENTS[schedule.job]}, such as `arguments: [{_EXAMPLES[schedule.job]}]`."
        )
    for argument in schedule.arguments:
        for found in _PLACEHOLDER.findall(argument):
            if found not in PLACEHOLDERS:
                known = ", ".join(f"'{{{each}}}'" for each in PLACEHOLDERS)
                raise SettingsError(
                    f"The schedule '{name}' has the placeholder '{{{found}}}' in its arguments, which is not known. Use {known}."
                )
            if found != "scheduled" and not inherited_window(name, schedules):
                raise SettingsError(
                    f"The schedule '{name}' has the placeholder '{{{found}}}' in its arguments, but no window. Add one, such as `window: day`."
                )


_EXAMPLES = {
    "predict": "'incoming/{from}.csv', 'scored/{from}.csv'",
    "labels": "'labels/{from}.csv'",
    "notebook": "notebooks/40_summary.ipynb",
}
