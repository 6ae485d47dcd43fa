"""Runs at the same time: one works, the others wait, and find nothing left to do."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from execution.graphs import DIAMOND, executions, products, write_graph
from runs import Started, bring, is_whole

from nbship.execution import runner


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graph(tmp_path_factory.mktemp("fresh") / "project", DIAMOND)


@pytest.fixture(scope="module")
def expected(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    root = Path(shutil.copytree(fresh, tmp_path_factory.mktemp("done") / "project", symlinks=True))
    bring(root)
    return products(root)


def at_once(fresh: Path, expected: Mapping[str, bytes], *, runs: int) -> str:
    """Start several runs of one project at once; return what is wrong."""
    root = fresh.with_name("shared")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(fresh, root, symlinks=True)
    started = [Started(root, {"jobs": 1 + number % 2}) for number in range(runs)]
    whole = [each.ends_wholly(within=2) for each in started]
    codes = [each.process.exitcode for each in started]
    ran = executions(root)
    if not all(whole) or any(codes) or sorted(ran) != sorted(DIAMOND):
        return f"exit codes {codes}, ran {ran}, ended {whole}"
    return is_whole(root, expected)


@pytest.mark.parametrize("runs", [2, 4, 8])
def test_runs_at_once_execute_each_stage_once(
    fresh: Path, expected: Mapping[str, bytes], full: bool, runs: int
) -> None:
    for number in range(50 if full else 1):
        assert not (wrong := at_once(fresh, expected, runs=runs)), f"round {number}: {wrong}"


def test_runs_that_do_not_wait_would_be_caught(
    fresh: Path, expected: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "one_run", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(runner, "claims", lambda *_, **__: contextlib.nullcontext())
    assert any(at_once(fresh, expected, runs=4) for _ in range(3))
