"""Every alert and every resolved notice reaches its sink, although the process that delivers is killed again and again.

Windows come one after another; in each, one field has a finding and the one before is resolved. The process is killed when
a message arrives at the sink, when it has recorded it, when it has responded, or at a random time; then another one delivers the rest.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from threading import Timer

import pytest
from alert_sinks import Webhook, project_folder, webhook, write_window
from services import postgres_url

DELIVER = ["-m", "nbship", "monitor", "alerts", "deliver", "--force"]
# A variant that records notices as delivered before it sends them.
BROKEN = """
import sqlite3
from nbship.alerting import delivery
from nbship.cli import main
send_all = delivery._send_all
def broken(project, messages):
    with sqlite3.connect(project.state / "alerts.sqlite") as connection:
        connection.execute("UPDATE nbship_alert_notices SET delivered_at = 1")
    return send_all(project, messages)
delivery._send_all = broken
main(["monitor", "alerts", "deliver", "--force"])
"""
POINTS = ("responded", "arrived", "recorded", "any time")


def _events(hook: Webhook) -> set[tuple[str, str]]:
    """The events in all messages: `new` or `resolved`, and the field."""
    found = set()
    for word, late, name in re.findall(
        r"^(ALERT|RESOLVED)( before it was announced:)? #\d+ Input '(\w+)'", hook.bodies, re.MULTILINE
    ):
        found.add(("new" if word == "ALERT" else "resolved", name))
        if late:
            found.add(("new", name))
    return found


def _killed(folder: Path, hook: Webhook, command: list[str], point: str) -> bool:
    """Run a command that is killed at a point; return whether it was."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True
    )

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = Timer(random.uniform(0.0, 3.0), kill) if point == "any time" else None
    if timer:
        timer.start()
    elif point == "arrived":
        hook.respond = lambda _: (kill(), (503, {}))[1]
    else:
        hook.received = lambda reached: kill() if reached == point else None
    code = process.wait(60)
    if timer:
        timer.cancel()
    hook.received, hook.respond = lambda _: None, lambda _: (200, {})
    return code == -signal.SIGKILL


def _delivered(folder: Path, points: Sequence[str], command: list[str], monkeypatch: pytest.MonkeyPatch, *, others: str = "") -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:  # fmt: skip
    """Return the events that should have been delivered, and those that were."""
    project_folder(folder, "sinks: {hook: HOOK_URL}\nallow_private: [127.0.0.1]", extra=others)
    expected, killed = set(), 0
    with webhook() as hook:
        monkeypatch.setenv("HOOK_URL", hook.url)
        for number, point in enumerate(points):
            first = date(2024, 1, 1) + timedelta(days=7 * number)
            write_window(folder, f"{first}", f"{first + timedelta(days=7)}", {f"f{number}": "alert"})
            expected |= {("new", f"f{number}")} | ({("resolved", f"f{number - 1}")} if number else set())
            killed += _killed(folder, hook, command, point)
        assert killed >= len(points) / 2
        done = subprocess.run([sys.executable, *DELIVER], cwd=folder, capture_output=True, text=True, check=False, timeout=60)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return expected, _events(hook)


def test_every_notice_reaches_its_sink(tmp_path: Path, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random.seed(time.time_ns())
    expected, found = _delivered(tmp_path, POINTS * 13 if full else POINTS[:2], DELIVER, monkeypatch)
    assert found >= expected, f"lost: {sorted(expected - found)}"


@pytest.mark.long
def test_every_notice_in_postgresql_reaches_its_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_url() as url:
        expected, found = _delivered(tmp_path, POINTS * 3, DELIVER, monkeypatch, others=f"log: {{url: '{url}'}}\n")
    assert found >= expected, f"lost: {sorted(expected - found)}"


@pytest.mark.long
def test_the_test_notices_a_notice_that_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, found = _delivered(tmp_path, ["arrived"], ["-c", BROKEN], monkeypatch)
    assert expected - found == {("new", "f0")}
