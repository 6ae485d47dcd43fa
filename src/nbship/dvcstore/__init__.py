"""DVC's own bookkeeping (lock file, cache, run cache, locks), written as DVC writes it, without starting DVC.

What is written here follows DVC 3: `dvc/stage/cache.py`, `dvc/stage/serialize.py`, `dvc/rwlock.py`,
`dvc_data/hashfile`. Nothing of DVC is imported on the way of an ordinary run: that alone takes longer
than a stage's bookkeeping may.
"""

from __future__ import annotations
