"""A schedule that could never run is an error that names it, with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbship import project
from nbship.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{job: report, cron: '0 6 * * *'}", r"'schedules\.a\.job' in nbship\.yaml is 'report', where 'data', 'labels', 'monitor', 'notebook', 'predict' or 'run' is expected"),
        ("{cron: '0 6 * * *'}", r"'schedules\.a' in nbship\.yaml is a mapping, where a mapping with the keys 'job' is expected"),
        ("{job: run}", r"The schedule 'a' has no times\. Add `cron`, such as '30 6 \* \* MON-FRI', or `after` with the name of another schedule"),
        ("{job: run, cron: '0 6 * * *', after: b}\n  b: {job: run, cron: '0 5 * * *'}", r"The schedule 'a' has both 'cron' and 'after'"),
        ("{job: run, after: bb}\n  bbb: {job: run, cron: '0 5 * * *'}", r"The schedule 'a' runs after 'bb', which is not a schedule\. Did you mean 'bbb'\?"),
        ("{job: run, after: a}", r"The schedule 'a' runs after 'a', which runs after it\. Give one of them times"),
        ("{job: run, after: b}\n  b: {job: run, after: a}", r"The schedule 'a' runs after 'a', which runs after it"),
        ("{job: run, after: b, catch_up: none}\n  b: {job: run, cron: '0 5 * * *'}", r"has `catch_up: none`, which applies only to times of cron"),
        ("{job: run, after: b, timezone: UTC}\n  b: {job: run, cron: '0 5 * * *'}", r"has a time zone, which applies only to times of cron"),
        ("{job: monitor, after: b}\n  b: {job: run, cron: '0 5 * * *'}", r"The schedule 'a' runs 'monitor', which needs a window"),
        ("{job: data, cron: '0 5 * * *'}", r"The schedule 'a' runs 'data', which needs a window"),
        ("{job: monitor, cron: '0 6 * * *', windw: week}", r"unknown key 'schedules\.a\.windw'\. Did you mean 'schedules\.a\.window'\?"),
        ("{job: monitor, cron: '0 6 * * *'}", r"The schedule 'a' runs 'monitor', which needs a window\. Add one, such as `window: week`"),
        ("{job: monitor, cron: '0 6 * * *', window: weak}", r"The schedule 'a' has the window 'weak', which is not known\. Did you mean 'week'\?"),
        ("{job: monitor, cron: '0 6 * * *', window: 0 days}", r"The schedule 'a' has the window '0 days', which is not known"),
        ("{job: monitor, cron: '0 6 * *', window: day}", r"The schedule 'a' has the times '0 6 \* \*', which are not the five fields of cron"),
        ("{job: monitor, cron: '0 0 6 * * *', window: day}", r"which are not the five fields of cron"),
        ("{job: monitor, cron: '@daily', window: day}", r"which is a short form\. Write '0 0 \* \* \*'"),
        ("{job: monitor, cron: '60 6 * * *', window: day}", r"The schedule 'a' has the times '60 6 \* \* \*', whose minute is not valid"),
        ("{job: monitor, cron: '0 6 * * MOON', window: day}", r"whose day of week is not valid"),
        ("{job: monitor, cron: '0 6 31 2 *', window: day}", r"whose day of month is not valid"),
        ("{job: monitor, cron: '0 6 * * *', window: day, timezone: Mars}", r"The schedule 'a' names an unknown time zone 'Mars'\. Use an IANA name"),
        ("{job: labels, cron: '0 6 * * *'}", r"The schedule 'a' runs 'labels' without arguments\. Add the file of labels, such as `arguments: \['labels/\{from\}\.csv'\]`"),
        ("{job: labels, cron: '0 6 * * *', arguments: ['{day}.csv']}", r"The schedule 'a' has the placeholder '\{day\}' in its arguments, which is not known\. Use '\{from\}', '\{to\}', '\{scheduled\}'"),
        ("{job: labels, cron: '0 6 * * *', arguments: ['{from}.csv']}", r"has the placeholder '\{from\}' in its arguments, but no window\. Add one"),
        ("{job: labels, cron: '0 6 * * *', arguments: [l.csv], branch: main}", r"The schedule 'a' has a branch, which applies only to the jobs 'run' and 'data'\. Remove it"),
        ("{job: labels, cron: '0 6 * * *', arguments: [l.csv], catch_up: first}", r"'schedules\.a\.catch_up' in nbship\.yaml is 'first', where 'all', 'latest' or 'none' is expected"),
        ("{job: labels, cron: '0 6 * * *', arguments: [l.csv], retries: -1}", r"'schedules\.a\.retries' in nbship\.yaml is -1, where an integer from 0 to 100"),
        ("{job: labels, cron: '0 6 * * *', arguments: [l.csv], timeout: .inf}", r"'schedules\.a\.timeout' in nbship\.yaml is inf"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(f"schedules:\n  a: {text}\n")
    with pytest.raises(SettingsError, match=message):
        project.load(tmp_path)


@pytest.mark.parametrize("name", ["Weekly", "a/b", "a b", "-a", "a" * 43, "ü", "'1_2'"])
def test_a_name_is_a_part_of_file_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(
        f"schedules: {{{name}: {{job: labels, cron: '0 6 * * *', arguments: [l.csv]}}}}\n"
    )
    with pytest.raises(SettingsError, match=r"cannot have this name\. Use up to 42 lower-case letters"):
        project.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{job: monitor, cron: '0 6 * * MON', window: week, arguments: [--model, risk]}",
        "{job: monitor, cron: '0 6 L * *', window: 28 days, timezone: Asia/Tokyo, catch_up: all, retries: 3, timeout: 0}",
        "{job: labels, cron: '*/5 0-6,22 1-7 jan *', arguments: ['{scheduled}.csv']}",
        "{job: notebook, cron: '0 6 * * *', arguments: [notebooks/a.ipynb]}",
        "{job: data, cron: '0 5 * * *', window: day, arguments: [orders], branch: main}",
    ],
)
def test_other_values_are_accepted(text: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(f"schedules:\n  a: {text}\n")
    assert list(project.load(tmp_path).settings.schedules) == ["a"]
