"""A report of a window needs few bytes for each of its predictions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from memory import peak_memory
from packages import LIMITS

from nbship import monitoring, predictor, project
from nbship.prediction_log import Label, Record, keys_of, new_id, open_log

pytestmark = pytest.mark.timeout(1800)
FEW = 20_000
START = datetime(2024, 1, 1, 5, tzinfo=UTC)
LEAKY = """
from nbship.prediction_log import Parts
read, stored = Parts.__iter__, []
def parts(self):
    for part in read(self):
        stored.append(part.frame)
        yield part
Parts.__iter__ = parts
"""


def write_project(folder: Path, package: Path, rows: int) -> Path:
    """Write a project whose log has so many predictions in January, half of them with a label."""
    folder.mkdir()
    (folder / "pipeline.yaml").write_text("tasks: []\n")
    (folder / "nbship.yaml").write_text("project: {name: small, timezone: America/New_York}\nslices: [line, hour]\n")
    found = project.load(folder)
    shutil.copytree(package, found.package)
    with open_log(found) as log:
        remaining = entries(found, rows, salt=log.salt)
        while some := list(islice(remaining, 1000)):
            log.append(*some)
    return folder


def entries(found: project.Project, rows: int, *, salt: bytes) -> Iterator[Record | Label]:
    loaded, random = predictor.load(found.package), np.random.default_rng(0)
    for number in range(rows):
        at, line = START + timedelta(seconds=number * 30 * 86_400 // rows), "abc"[number % 3]
        inputs = {
            "at": at.isoformat(),
            "line": line,
            "size": number % 9 + 1,
            "weight": random.random(),
            "limit": LIMITS[line],
        }
        risk = random.random()
        record = Record(
            id=new_id(), at=at, model=loaded.name, version=loaded.version, digest="d" * 64, caller="me", mode="rest",
            inputs=json.dumps(inputs), outputs=json.dumps({"label": int(risk > 0.5), "probability": risk}), error=None,
            latency_ms=1.0, keys=keys_of(inputs, loaded.signature, salt=salt), event_time=at,
        )  # fmt: skip
        yield record
        if number % 2:
            yield Label(label=str(int(random.random() < risk)), at=at, prediction_id=record.id, model=loaded.name)


def memory_of_report(folder: Path, rows: int, *, script: str = "") -> int:
    code = f"{script}\nfrom nbship import monitoring\nmonitoring.report_window('2024-01-01', '2024-02-01', product={{'report': 'report.json'}})"
    most = peak_memory(subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=dict(os.environ)))
    assert monitoring.read_report(folder / "report.json")["volume"]["rows"] == rows
    return most


@pytest.mark.long
def test_memory_hardly_grows_with_the_predictions(small_package: Path, tmp_path: Path, full: bool) -> None:
    many = 300_000 if full else 80_000
    folders = {rows: write_project(tmp_path / str(rows), small_package, rows) for rows in (FEW, many)}
    few, most = (memory_of_report(folder, rows) for rows, folder in folders.items())
    assert most - few < 100 * (many - FEW) + 20e6
    # A report that stores all parts would be caught.
    assert memory_of_report(folders[many], many, script=LEAKY) - few > 300 * (many - FEW)
