"""DVC's files (lock file, cache, run cache, locks), read and written in DVC's formats without starting DVC.

The formats are those of DVC 3: `dvc/stage/cache.py`, `dvc/stage/serialize.py`, `dvc/rwlock.py`,
`dvc_data/hashfile`. An ordinary run does not import DVC, because that takes longer than all
that is done here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .cache import Cache
    from .config import Repository, config_files, find_repository, read_repository
    from .digests import Digests, md5_of_text
    from .gitignore import add_to_git, ignore_in_git
    from .hashing import read_content
    from .lineage import find_commit
    from .lock_entry import Difference, Entry, dependency_digests, find_differences, product_digests
    from .lock_file import LockFile, parse_lock, read_lock
    from .lock_yaml import render_entry
    from .locks import RepositoryLock, claim_files, hold_run_lock
    from .merge_driver import merge_lock_files
    from .repair import repair_lock
    from .store import DeclaredStage, DvcStore, put_back
    from .tracked_data import create_empty_folders, record_tracked_data
    from .versions import TESTED, version_problem
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "TESTED",
    "Cache",
    "DeclaredStage",
    "Difference",
    "Digests",
    "DvcStore",
    "Entry",
    "LockFile",
    "Repository",
    "RepositoryLock",
    "add_to_git",
    "claim_files",
    "config_files",
    "create_empty_folders",
    "dependency_digests",
    "find_commit",
    "find_differences",
    "find_repository",
    "hold_run_lock",
    "ignore_in_git",
    "md5_of_text",
    "merge_lock_files",
    "parse_lock",
    "product_digests",
    "put_back",
    "read_content",
    "read_lock",
    "read_repository",
    "record_tracked_data",
    "render_entry",
    "repair_lock",
    "version_problem",
]
