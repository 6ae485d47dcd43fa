from __future__ import annotations

import io

from rich.console import Console

from nbship.execution.reporting.progress import LiveProgress, PlainProgress
from nbship.execution.reporting.report import StageReport


def test_a_log_has_a_line_for_each_start_and_end():
    output = io.StringIO()
    progress = PlainProgress(file=output)
    progress.begin(["one", "three"])
    progress.started("one")
    progress.cell_started("one", cell=1, cells=2)
    progress.finished(StageReport(stage="one", seconds=1.24, cells=2))
    progress.up_to_date("two")
    progress.restored("three")
    progress.close()
    assert output.getvalue().splitlines() == [
        "one    started",
        "one        1.2 s  2 cells",
        "three  restored from an earlier run",
    ]


def test_a_terminal_shows_running_stages_and_counts():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False)
    progress = LiveProgress(console=console)
    progress.begin(["one", "two", "three", "four"])
    progress.up_to_date("four")
    progress.started("one")
    progress.started("two")
    progress.cell_started("two", cell=3, cells=9)
    assert progress.lines().splitlines() == [
        "one        0 s  starting",
        "two        0 s  cell 3 of 9",
        "1 of 4 done, 2 running, 1 waiting",
    ]
    progress.finished(StageReport(stage="one", seconds=0.5, cells=1))
    assert progress.lines().splitlines()[-1] == "2 of 4 done, 1 running, 1 waiting"
    progress.close()
    shown = console.file.getvalue()
    assert "one        0.5 s  1 cells" in shown
    assert shown.endswith("\x1b[2K")  # the live lines are erased, the lines above stay
