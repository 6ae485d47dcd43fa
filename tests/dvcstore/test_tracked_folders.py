"""Folders that DVC tracks: an empty one is created where it is missing, since neither Git nor a cache has to hold it."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

import pytest

from nbship.dvcstore import create_empty_folders

EMPTY = "d751713988987e9331980363e24189ce.dir"
FOLDER = PurePosixPath("models/production")


@pytest.mark.parametrize(("digest", "created"), [(EMPTY, True), ("6c96b013095b838b848b084b0f999eda.dir", False)])
def test_only_an_empty_folder_is_created(tmp_path: Path, digest: str, created: bool) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/production.dvc").write_text(f"outs:\n- md5: {digest}\n  path: production\n")
    create_empty_folders(tmp_path, [FOLDER, PurePosixPath("models/untracked")])
    assert (tmp_path / FOLDER).is_dir() is created
    assert not (tmp_path / "models/untracked").exists()
    create_empty_folders(tmp_path, [FOLDER])


def test_the_digest_of_an_empty_folder_is_that_of_an_empty_list() -> None:
    assert hashlib.md5(b"[]", usedforsecurity=False).hexdigest() + ".dir" == EMPTY
