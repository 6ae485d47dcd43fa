"""Any file of state and cache may be truncated, flipped or lost: damage is found before use and repaired."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from execution.graphs import DIAMOND, executions, products, write_graph
from runs import digest, digest_in_name, find_problems, objects, run_project, try_run

from nbship.dvcstore.cache import Cache
from nbship.run_records import append_record, read_records

pytestmark = pytest.mark.timeout(7200)

# State and cache files of the repository, DVC and nbship; `*` matches any file at any depth.
AREAS = {
    "lock file": ["dvc.lock", "dvc.yaml"],
    "cached objects": [".dvc/cache/files/*"],
    "run cache": [".dvc/cache/runs/*"],
    "locks": [".dvc/tmp/*"],
    "own cache": [".nbship/cache/*", ".nbship/env.yaml"],
    "run records": [".nbship/state/*"],
    "products": ["products/*"],
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a run."""
    root = write_graph(tmp_path_factory.mktemp("done") / "project", {"a": DIAMOND["a"], "b": ["a"]})
    run_project(root)
    executions(root)
    return root


@pytest.fixture(scope="module")
def expected(done: Path) -> Mapping[str, bytes]:
    return products(done)


def files(root: Path, area: str) -> list[Path]:
    found: list[Path] = []
    for pattern in AREAS[area]:
        folder, star, _ = pattern.partition("*")
        inside = sorted((root / folder).rglob("*")) if star else [root / pattern]
        found += [path for path in inside if path.is_file()]
    return [path for path in found if path.name != ".gitignore"]


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    overwrite(path, bytes(content))


def overwrite(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)


DAMAGES: Mapping[str, Callable[[Path, random.Random], None]] = {
    "emptied": lambda path, _: overwrite(path, b""),
    "cut": lambda path, rng: overwrite(path, path.read_bytes()[: rng.randrange(path.stat().st_size + 1)]),
    "flipped": flip,
    "lost": lambda path, _: path.unlink(),
    "garbage": lambda path, rng: overwrite(path, rng.randbytes(40)),
}


def damaged(done: Path, expected: Mapping[str, bytes], area: str, *, limit: int, seed: int = 0) -> Iterator[str]:
    """Damage one file at a time and run; yield the problem after each run, empty if there is none."""
    rng = random.Random(seed)
    cases = [(path.relative_to(done), kind) for path in files(done, area) for kind in DAMAGES]
    root = done.with_name("damaged")
    for path, kind in rng.sample(cases, min(limit, len(cases))):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(done, root, symlinks=True)
        DAMAGES[kind](root / path, rng)
        wrong = try_run(root) or find_problems(root, expected) or lost(done, root, area)
        yield f"'{path}' {kind}: {wrong}" if wrong else ""


def lost(done: Path, root: Path, area: str) -> str:
    """Return which needed objects are still missing after the repair; empty if none."""
    if area == "cached objects":
        missing = {digest_in_name(path) for path in objects(done)} - {digest_in_name(path) for path in objects(root)}
        needed = {out.get("md5", "").removesuffix(".dir") for out in outs(done)}
        return f"not in the cache: {missing & needed}" if missing & needed else ""
    return ""


def outs(root: Path) -> Iterator[Mapping[str, str]]:
    from nbship.dvcstore.lock_file import read_lock

    for entry in read_lock(root / "dvc.lock").values():
        yield from (out for out in entry["outs"] if "/metrics/" not in out["path"] and "/plots/" not in out["path"])


@pytest.mark.parametrize("area", AREAS)
def test_damage_is_detected_before_use_and_repaired(
    done: Path, expected: Mapping[str, bytes], full: bool, area: str
) -> None:
    wrong = [text for text in damaged(done, expected, area, limit=10_000 if full else 3) if text]
    assert wrong == []


def test_stages_with_cached_results_are_restored_instead_of_run(done: Path) -> None:
    root = done.with_name("restored")
    for area in ("lock file", "locks", "own cache", "products"):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(done, root, symlinks=True)
        for path in files(root, area):
            DAMAGES["emptied"](path, random.Random(0))
        assert not try_run(root)
        assert executions(root) == [], area


def test_damaged_records_are_skipped(done: Path) -> None:
    path = done.with_name("runs.jsonl")
    shutil.copy(done / ".nbship/state/runs.jsonl", path)
    count = len(list(read_records(path)))
    with path.open("ab") as records:
        records.write(b'\xff\n{"format": 1}\n[]\nnull\n{"form')
    assert len(list(read_records(path))) == count == 2
    append_record(path, next(iter(read_records(path))))
    assert len(list(read_records(path))) == 3


@pytest.mark.long
def test_a_cache_that_is_not_verified_would_be_caught(
    done: Path, expected: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cache, "_is_intact_file", lambda objects, md5: objects.path(md5).exists())
    assert any(damaged(done, expected, "cached objects", limit=8))
    assert all(digest(path) == digest_in_name(path) for path in objects(done))
