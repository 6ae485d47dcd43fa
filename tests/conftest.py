"""What the tests of several parts share."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from packages import build_small, make_rows


@pytest.fixture(scope="session")
def small_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real package: times, categories, nulls, keys and a lookup; see `packages.py`. Do not change its files."""
    return build_small(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def other_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model made from other rows: another version."""
    return build_small(tmp_path_factory.mktemp("models"), seed=7)


@pytest.fixture
def small_rows() -> pd.DataFrame:
    """Rows for the small package, looked-up columns included, that it was not trained on."""
    return make_rows(200, seed=42)
