from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbship.errors import StageError
from nbship.notebook.origin import Context, Origin, find_origin

INJECTED = {"nb": "/project/products/train.ipynb"}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("NBSHIP_STAGE", "NBSHIP_CONTEXT", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_the_pipeline_names_its_stage(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NBSHIP_STAGE", "train")
    assert find_origin("train", {}, product=INJECTED) is Origin.PIPELINE


def test_the_pipeline_runs_another_stage(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NBSHIP_STAGE", "prepare")
    with pytest.raises(StageError, match="Stage 'prepare' runs a notebook that opens the stage 'train'"):
        find_origin("train", {}, product=INJECTED)


def test_a_notebook_with_injected_products_is_run_by_ploomber():
    assert find_origin("train", {}, product=INJECTED) is Origin.PLOOMBER


def test_a_notebook_without_injected_cell_runs_by_hand():
    assert find_origin("train", {}, product=None) is Origin.HAND


def test_a_notebook_in_a_jupyter_session_runs_by_hand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "/project/notebooks/50_train.ipynb")
    assert find_origin("train", {}, product=INJECTED, notebook="50_train.ipynb") is Origin.HAND


def test_ploomber_started_from_another_notebook(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "/project/scratch.ipynb")
    assert find_origin("train", {}, product=INJECTED, notebook="50_train.ipynb") is Origin.PLOOMBER


def test_a_notebook_in_vs_code_runs_by_hand():
    assert find_origin("train", {"__vsc_ipynb_file__": "x"}, product=INJECTED) is Origin.HAND


def test_the_context_is_passed_as_environment_variables():
    context = Context(stage="train", root=Path("/project"), params=("rate",), settings=("slices",))
    assert Context.read(context.variables()) == context
    assert Context.read({}) is None


def test_importing_the_api_is_cheap():
    code = "import sys; from nbship import notebook; print(*sorted({'pandas','numpy','sklearn','nbformat','dvc','msgspec'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() in {"", "msgspec"}
