"""Check that a disk is safe for a SQLite log: no network disk, and in a container only a volume."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import LogError

__all__ = ["check_disk"]

_MOUNTS = Path("/proc/self/mountinfo")
# Their locks and memory maps are not coherent between machines: SQLite would lose or corrupt records.
_NETWORK = (
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "lustre", "gfs2", "ocfs2", "fuse.sshfs", "fuse.glusterfs",
    "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse",
)  # fmt: skip


def check_disk(path: Path, *, mounts: Path = _MOUNTS, environ: Mapping[str, str] = os.environ) -> None:
    """Check that a SQLite log at `path` would be durable.

    Raises
    ------
    LogError
        If the path is on a network disk, or in a container and not on a volume.
    """
    try:
        point, kind = _mount_of(path.absolute(), mounts.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return
    if kind in _NETWORK:
        raise LogError(
            f"The prediction log '{path}' is on a network disk ({kind}), where SQLite is not safe. "
            "Use a local disk, or log to PostgreSQL: set 'log.url'."
        )
    if environ.get("NBSHIP_CONTAINER") and (point == Path("/") or kind in ("tmpfs", "overlay")):
        raise LogError(
            f"The prediction log '{path}' is inside the container and would be lost with it. Mount a volume at "
            f"'{path.parent}' (docker run -v state:{path.parent}), or log to PostgreSQL: set NBSHIP_LOG__URL."
        )


def _mount_of(path: Path, table: str) -> tuple[Path, str]:
    """Return the mount point of a path and the type of its file system.

    A line of the table is `36 35 98:0 / /mnt/data rw,noatime shared:1 - nfs4 server:/data rw`: the mount point is the
    fifth word, the type comes after the dash. The last of the longest mount points is the visible one.
    """
    best = Path("/"), ""
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        words = left.split()
        if len(words) < 5 or not right:
            continue
        # The kernel writes spaces in paths as \040.
        point = Path(words[4].replace("\\040", " "))
        if (point == path or point in path.parents) and len(point.parts) >= len(best[0].parts):
            best = point, right.split()[0]
    return best
