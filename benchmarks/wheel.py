"""The reference model's wheel in an empty environment: its size, and the cost of importing it and predicting once."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_ONCE = """
import json, re, sys, time
started = time.perf_counter()
import flights_model
imported = time.perf_counter()
flights_model.load()
loaded = time.perf_counter()
flights_model.load().predict([json.loads(sys.argv[1])])
done = time.perf_counter()
# Not ru_maxrss, which a process takes over from the one that starts it.
memory = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status", encoding="utf-8").read())[1]) / 1024
print(json.dumps([imported - started, loaded - imported, done - loaded, memory]))
"""


def run() -> str:
    """Return the figures as Markdown; medians of seven processes."""
    from nbship import predictor
    from nbship.model import build_wheel

    row = {field.name: field.example for field in predictor.load(ROOT / "models/flights").signature.inputs if not field.optional}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(ROOT / "models/flights", Path(folder))
        python = Path(folder) / "env/bin/python"
        for command in (
            ["uv", "venv", "--quiet", "--python", sys.executable, f"{folder}/env"],
            ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), str(wheel)],
        ):
            subprocess.run(command, check=True)
        runs = [
            json.loads(subprocess.run([python, "-c", _ONCE, json.dumps(row)], check=True, capture_output=True, cwd=folder).stdout)
            for _ in range(7)
        ]  # fmt: skip
        size = wheel.stat().st_size / 1e6
    imported, loaded, first, memory = map(statistics.median, zip(*runs, strict=True))
    head = ["| size | import | load, everything verified | first prediction | memory |", "|--:|--:|--:|--:|--:|"]
    return "\n".join([*head, f"| {size:.2f} MB | {imported * 1e3:.0f} ms | {loaded * 1e3:.0f} ms | {first * 1e3:.0f} ms | {memory:.0f} MB |"])  # fmt: skip
