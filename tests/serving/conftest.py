"""A service of the small package, and its log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from servers import running

from nbship import predictor
from nbship.inference import Logged
from nbship.prediction_log import SqlLog, open_log
from nbship.serving import Service


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlLog]:
    with open_log(tmp_path / "log.sqlite") as log:
        yield log


@pytest.fixture
def client(small_package: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    loaded = predictor.load(small_package)
    service = Service(lambda: Logged(loaded, open_log(tmp_path / "log.sqlite"), mode="rest"))
    with running(service) as client:
        yield client
