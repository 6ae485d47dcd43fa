"""`make demo-watch`: July to December arrive week by week; each week is predicted, labelled and monitored.

Three faults are planted, as they happen to a data source: a weather feed that hangs, a batch that arrives twice, and tail
numbers that are lost. They reach a mail server and a webhook on this machine. A copy of the project is watched, so that
its own log and reports stay as they are.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from .arrivals import inputs, labels, read_window, write_rows
from .demo import ROOT, print_failure, title
from .sinks import mail_server, webhook

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FAULTS", "copy_project", "main", "watch"]

COPY = ROOT / ".nbship" / "scratch" / "watch"
FIRST, LAST = date(2013, 7, 1), date(2013, 12, 30)
_ALERTS = """
alerts:
  sinks: {team: DEMO_MAIL, hook: DEMO_HOOK}
  allow_private: [127.0.0.1]
"""
# What the weather feed reported last.
_HUNG = {"temperature": 77.0, "dew_point": 64.0, "humidity": 64.1, "wind_direction": 200.0, "wind_speed": 9.2, "wind_gust": 18.4, "precipitation": 0.0, "pressure": 1015.2, "visibility": 10.0}  # fmt: skip


def _without_tail_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    lost = rows.index % 10 < 3
    return rows.assign(tailnum=rows["tailnum"].mask(lost))


# The first day of a week -> what happens to its source.
FAULTS: Mapping[date, Callable[[pd.DataFrame], pd.DataFrame]] = {
    date(2013, 8, 12): lambda rows: rows.assign(**_HUNG),
    date(2013, 9, 23): lambda rows: rows.loc[rows.index.repeat(2)],
    date(2013, 11, 4): _without_tail_numbers,
}


def main() -> int:
    """Run the demonstration; the exit code is that of the first command that fails."""
    os.chdir(ROOT)
    started = time.monotonic()
    copy_project(ROOT, COPY)
    try:
        with mail_server() as (mail_url, mails), webhook() as (hook_url, hooks):
            title("July to December, week by week: predict, import labels, monitor")
            for line in watch(COPY, environ={"DEMO_MAIL": mail_url, "DEMO_HOOK": hook_url}):
                print(line, flush=True)
            title("What the mail server received")
            print("\n".join(message.strip() for message in mails))
            print(f"\nThe webhook received {len(hooks)} messages.")
    except subprocess.CalledProcessError as error:
        return print_failure(error)
    title(f"Done in {time.monotonic() - started:.0f} s")
    print(f"All weeks: {(COPY / '.nbship/state/monitoring/index.html').relative_to(ROOT)}")
    return 0


def copy_project(source: Path, target: Path) -> None:
    """Copy what monitoring needs of a project that ran, with alerts that go to this machine."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "notebooks").mkdir(parents=True)
    shutil.copy(source / "pipeline.yaml", target)
    shutil.copy(source / "params.yaml", target)
    (target / "nbship.yaml").write_text(
        (source / "nbship.yaml").read_text(encoding="utf-8") + _ALERTS, encoding="utf-8"
    )
    for notebook in (source / "notebooks").glob("9*_monitor_*.ipynb"):
        shutil.copy(notebook, target / "notebooks")
    shutil.copytree(source / "models", target / "models")


def watch(project: Path, *, environ: Mapping[str, str], last: date = LAST) -> Iterator[str]:
    """Let flights arrive week by week until a day; yield a line on each week."""
    first = FIRST
    while first < last:
        following = first + timedelta(days=7)
        yield f"{first}  {_week(project, first, following, {**os.environ, **environ})}"
        first = following


def _week(project: Path, first: date, following: date, environ: Mapping[str, str]) -> str:
    flights = read_window(str(first), str(following))
    rows, fault = inputs(flights), FAULTS.get(first)
    folder = project / "arrived"
    write_rows(rows if fault is None else fault(rows), folder / f"{first}.parquet")
    write_rows(labels(flights), folder / f"{first}-labels.parquet")
    window = ("--from", str(first), "--to", str(following))
    for command in (
        ("predict", f"arrived/{first}.parquet", f"arrived/{first}-predicted.parquet"),
        ("labels", f"arrived/{first}-labels.parquet"),
        ("monitor", *window),
    ):
        subprocess.run(["nbship", *command], cwd=project, env=environ, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    path = project / f".nbship/state/monitoring/{first}_{following}/report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    return f"{report['volume']['rows']:,} predictions  {report['verdict']:<8}  {report['headline'].partition('. ')[0].rstrip('.')}."


if __name__ == "__main__":
    sys.exit(main())
