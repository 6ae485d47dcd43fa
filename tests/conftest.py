"""Fixtures shared by several folders of tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from environments import environment_of_its_own
from orders import build_shop, importable, make_estimator, write_project
from packages import build_small, make_rows
from skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["environment_of_its_own", "pytest_make_collect_report", "pytest_runtest_makereport"]

# Idle OpenMP threads sleep: spinning, they take the cores from the other workers.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Background processes of a shell ignore SIGINT, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine is slow, which is no failure; continuous integration looks at the same examples each time.
settings.register_profile("nbship", deadline=None, max_examples=40, derandomize=bool(os.environ.get("CI")))
settings.load_profile("nbship")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="Run long tests, and fault tests with all their repetitions.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long tests to `make test-faults`, which runs them and all fault tests."""
    if config.getoption("--full"):
        for item in items:
            if Path(__file__).parent / "faults" in item.path.parents:
                item.add_marker("long")
    elif long := [item for item in items if item.get_closest_marker("long")]:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether fault tests run all their repetitions, as in `make test-faults`."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def small_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small package with timestamps, categories, nulls, keys and a lookup; see `packages.py`. Do not change its files."""
    return build_small(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def other_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model trained on other rows: another version."""
    return build_small(tmp_path_factory.mktemp("models"), seed=7)


@pytest.fixture(scope="session")
def small_challenger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with another model card: another version with the same outputs."""
    return build_small(tmp_path_factory.mktemp("models"), card="# Small\n\nA challenger made for tests.\n")


@pytest.fixture(scope="session")
def small_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with the same signature whose backend is ONNX."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    vectors = make_pipeline(SimpleImputer(), StandardScaler(), CalibratedClassifierCV(SVC(), cv=2, ensemble=False))
    return build_small(tmp_path_factory.mktemp("models"), classifier=vectors)


@pytest.fixture(scope="session")
def small_nodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with the same signature whose backend is nodes: its tables would be too large."""
    from nbship.model.compiler import compile

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compile, "_LARGEST", 0)
        return build_small(tmp_path_factory.mktemp("models"))


@pytest.fixture
def small_rows() -> pd.DataFrame:
    """Unseen rows for the small package, including the columns that are looked up."""
    return make_rows(200, seed=42)


@pytest.fixture(scope="session")
def shop_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with its own feature code."""
    return write_project(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def shop_package(shop_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds one package of each kind; do not change its files."""
    folder = tmp_path_factory.mktemp("packages")

    def build(kind: str) -> Path:
        if not (folder / kind).exists():
            with importable(shop_source):
                build_shop(folder / kind, kind)
        return folder / kind

    return build


@pytest.fixture(scope="session")
def shop_estimator(shop_source: Path) -> Callable[[str], Any]:
    """Fits the estimator of a kind, outside any package."""

    def fit(kind: str) -> Any:
        with importable(shop_source):
            return make_estimator(kind)

    return fit
