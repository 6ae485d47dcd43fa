"""Median times, measured in turn so that a change of the machine's speed affects all alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["in_turn", "table", "whole_command"]


def in_turn(calls: Mapping[str, Callable[[], object]], *, rounds: int, repeat: int = 1) -> dict[str, float]:
    """Return the median seconds of one call of each, over `rounds` rounds of `repeat` calls, after one to warm up."""
    for call in calls.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(repeat):
                call()
            taken[name].append((time.perf_counter() - started) / repeat)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def whole_command(*words: str, cwd: Path | None = None) -> Callable[[], object]:
    """Return a function that runs a command and discards its output."""
    return lambda: subprocess.run(words, cwd=cwd, check=True, capture_output=True)


def table(seconds: Mapping[str, float], *, floor: str, unit: str = "ms") -> str:
    """Return a Markdown table of times and of ratios to one of them."""
    scale = {"s": 1.0, "ms": 1e3, "µs": 1e6}[unit]
    rows: Sequence[str] = [
        f"| {name} | {_figure(taken * scale)} {unit} | {taken / seconds[floor]:.3g} |"
        for name, taken in seconds.items()
    ]
    return "\n".join([f"| | median | × {floor} |", "|---|--:|--:|", *rows])


def _figure(value: float) -> str:
    """Return a number with three digits, and in full from 100 on: 13.3, 3,724."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
