from __future__ import annotations

from pathlib import Path

import pytest

from nbship.pipeline import result_cache
from nbship.pipeline.result_cache import ResultCache


@pytest.fixture
def path(tmp_path: Path) -> Path:
    kept = ResultCache(tmp_path / "memo.json")
    kept.put("list", [1, {"a": None}])
    kept.put("tuple", (1, 2))
    kept.put("number as key", {1: 2})
    kept.save()
    return tmp_path / "memo.json"


def test_results_are_stored_if_they_survive_json(path: Path) -> None:
    again = ResultCache(path)
    assert again.get("list") == [1, {"a": None}]
    assert again.get("tuple") is None
    assert again.get("number as key") is None


def test_results_of_other_code_are_discarded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_cache, "code_version", lambda: [["plan.py", 1, 1]])
    assert ResultCache(path).get("list") is None


def test_a_damaged_file_reads_as_missing(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"null", b"true"))
    assert ResultCache(path).get("list") is None


def test_unused_results_are_dropped_above_the_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_cache, "_MAX_RESULTS", 2)
    kept = ResultCache(path)
    kept.put("new", [1])
    kept.put("newer", [2])
    kept.save()
    assert [ResultCache(path).get(key) for key in ("list", "new", "newer")] == [None, [1], [2]]
