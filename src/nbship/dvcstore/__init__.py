"""DVC's own bookkeeping (lock file, cache, run cache, locks), written as DVC writes it, without starting DVC.

What is written here follows DVC 3: `dvc/stage/cache.py`, `dvc/stage/serialize.py`, `dvc/rwlock.py`,
`dvc_data/hashfile`. Nothing of DVC is imported on the way of an ordinary run: that alone takes longer
than a stage's bookkeeping may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .config import Repository, read_repository
    from .digests import Digests, md5_of_text
    from .gitignore import ignore_in_git
    from .lineage import commit_of
    from .lock_entry import Difference, Entry, dependencies, differences
    from .lock_file import Lock, read_lock
    from .lock_yaml import render_entry
    from .locks import RepositoryLock, claims, one_run
    from .merge_driver import merge_lock_files
    from .repair import heal_lock
    from .store import Books, Declared
    from .tracked_data import record_sources
    from .versions import TESTED, version_problem
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "TESTED",
    "Books",
    "Declared",
    "Difference",
    "Digests",
    "Entry",
    "Lock",
    "Repository",
    "RepositoryLock",
    "claims",
    "commit_of",
    "dependencies",
    "differences",
    "heal_lock",
    "ignore_in_git",
    "md5_of_text",
    "merge_lock_files",
    "one_run",
    "read_lock",
    "read_repository",
    "record_sources",
    "render_entry",
    "version_problem",
]
