"""Copy contents between DVC's cache and its default remote, by digest.

DVC has no command that takes digests, so its own functions do this, in a process of its own: importing DVC takes longer
than most commands, and a server that fetches a package does not need it afterwards. Run as
`python -m nbship.registry.dvc_remote pull|push ROOT MD5...`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from ..text import counted, one_line

__all__ = ["pull_contents", "push_contents"]


def pull_contents(root: Path, digests: Sequence[str]) -> None:
    """Copy contents, with the files of folders, from DVC's default remote to the cache.

    Parameters
    ----------
    root
        The DVC repository.
    digests
        As in `dvc.lock`; that of a folder ends with `.dir`.

    Raises
    ------
    PipelineError
        If DVC is not installed or fails, or the remote lacks one of them.
    """
    _transfer("pull", root, digests)


def push_contents(root: Path, digests: Sequence[str]) -> None:
    """Copy contents, with the files of folders, from the cache to DVC's default remote.

    Raises
    ------
    PipelineError
        As `pull_contents`.
    """
    _transfer("push", root, digests)


def _transfer(direction: str, root: Path, digests: Sequence[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__, direction, str(root), *digests],
        cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=False, env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        verb = "copy from" if direction == "pull" else "copy to"
        raise PipelineError(
            f"DVC cannot {verb} its remote: {one_line(last[0]).rstrip('.')}. `dvc {direction}` shows the full output."
        )


def _main(direction: str, root: str, *digests: str) -> None:
    from dvc.repo import Repo

    folders = [md5 for md5 in digests if md5.endswith(".dir")]
    files = [md5 for md5 in digests if md5 not in folders]
    with Repo(root) as repo:
        # The listing of a folder comes after its files in the remote, as in DVC, and before them from it.
        if direction == "pull":
            _move(repo.cloud.pull, folders)
        for md5 in folders:
            listing = Path(repo.cache.local.oid_to_path(md5))
            files += [each["md5"] for each in json.loads(listing.read_bytes())] if listing.exists() else []
        _move(repo.cloud.pull if direction == "pull" else repo.cloud.push, files)
        if direction == "push":
            _move(repo.cloud.push, folders)
        lost = [md5 for md5 in [*folders, *files] if not Path(repo.cache.local.oid_to_path(md5)).exists()]
    if lost:
        raise SystemExit(f"{counted(len(lost), 'file is missing', 'files are missing')}, such as {lost[0]}")


def _move(move: Callable[..., Any], digests: Sequence[str]) -> None:
    from dvc_data.hashfile.hash_info import HashInfo

    if digests:
        failed = move([HashInfo("md5", md5) for md5 in digests]).failed
        if failed:
            raise SystemExit(f"{counted(len(failed), 'file')} could not be copied, such as {next(iter(failed)).value}")


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except Exception as error:
        # The last line of the output is the reason.
        raise SystemExit(one_line(f"{error}" or repr(error))) from None
