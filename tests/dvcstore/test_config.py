from __future__ import annotations

from pathlib import Path

import pytest
from commands import run

from nbship.dvcstore.config import read_repository
from nbship.errors import PipelineError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "system"))
    root = tmp_path / "project"
    (root / "inner").mkdir(parents=True)
    run("dvc", "init", "--no-scm", "-q", cwd=root, check=True)
    return root


def config(root: Path, *words: str) -> None:
    run("dvc", "config", *words, cwd=root, check=True)


def test_defaults_are_those_of_dvc(root: Path):
    found = read_repository(root / "inner")
    assert (found.root, found.cache, found.links) == (root, root / ".dvc/cache", ("reflink", "copy"))
    assert (found.git, found.shared, found.hardlink_lock) == (None, False, False)


def test_the_most_specific_level_wins_and_paths_are_relative_to_their_file(root: Path):
    config(root, "--global", "cache.type", "symlink")
    config(root, "--global", "core.hardlink_lock", "true")
    config(root, "cache.type", "hardlink,copy")
    config(root, "cache.shared", "group")
    config(root, "--local", "cache.dir", str(root / "../elsewhere"))
    found = read_repository(root)
    assert (found.cache, found.links) == (root.parent / "elsewhere", ("hardlink", "copy"))
    assert found.shared
    assert found.hardlink_lock


def test_unsupported_configuration_is_an_error(root: Path, tmp_path: Path):
    (root / ".dvc/config").write_text("[cache]\n    type = magic\n")
    with pytest.raises(PipelineError, match=r"cache type 'magic'\. Use one of reflink"):
        read_repository(root)
    (root / ".dvc/config").write_text("[cache\n    type = copy\n")
    with pytest.raises(PipelineError, match=r"config' cannot be read: .* Correct it there"):
        read_repository(root)
    with pytest.raises(PipelineError, match="not in a DVC repository"):
        read_repository(tmp_path / "global")
