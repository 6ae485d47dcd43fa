"""Files and folders that appear whole or not at all, even if the process that writes them is killed.

Everything is written under a temporary name in the same folder, and renamed. `durable` also survives a loss of power:
the content is on the disk before it gets its name, and the name before the function returns.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "create_private",
    "publish",
    "remove",
    "remove_temporary",
    "replacing",
    "replacing_folder",
    "write_if_changed",
    "write_whole",
]

# The second and third ending are those of earlier versions: a killed process of one may have left them.
_TEMPORARY = re.compile(r"\.(.+)\.(?:[0-9a-f]{16}\.tmp|[a-z0-9_]{8}|[0-9]+\.(?:draft|old))")


def write_whole(path: Path, content: str | bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Write a file; a reader finds the old content or the new one, never a part.

    A missing folder is created. A link is replaced, never written through.

    Parameters
    ----------
    content
        Text is written as UTF-8.
    mode
        Permissions, from which the umask is subtracted.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=durable) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)


def write_if_changed(path: Path, text: str) -> bool:
    """Write a generated file, unless it already holds the text; return whether it was written."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == text.encode():
        return False
    write_whole(path, text)
    return True


@contextmanager
def replacing(path: Path, *, durable: bool = False, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path at which to write a file; it becomes `path` unless the block raises.

    Parameters
    ----------
    private
        Only the owner can read the file, also while it is written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "report.txt"
    >>> with replacing(path) as temporary, temporary.open("w") as file:
    ...     _ = file.write("line by line")
    >>> path.read_text()
    'line by line'
    """
    temporary = _beside(path)
    try:
        if private:
            create_private(temporary)
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        publish(temporary, path, durable=durable)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            # An error of writing to an open file does not name it.
            error.filename = str(path)
        raise


def create_private(path: Path) -> None:
    """Create an empty file that only its owner can read, unless there is one; writing to it keeps its permissions."""
    # Without O_EXCL, closing an existing SQLite file would end the locks that this process holds on it (POSIX).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder; it replaces `path` unless the block raises.

    There is always a complete folder, the old or the new one. Only where the system cannot exchange two names in one
    step (not Linux, or some network file systems) there is none between two renames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = _beside(path), _beside(path)
    try:
        new.mkdir()
        yield new
        if not path.exists():
            new.rename(path)
        elif not _exchange(new, path):
            path.rename(old)
            new.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def publish(finished: Path, path: Path, *, durable: bool = False) -> None:
    """Give a finished file its name; if `durable`, its content must be on the disk already."""
    finished.replace(path)
    if durable:
        with suppress(OSError):  # as SQLite does: not every file system lets a folder be synced
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with its content; a missing one is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_temporary(paths: Iterable[Path], *, age: float = 0) -> None:
    """Delete the temporary files and folders that killed processes left beside paths.

    Parameters
    ----------
    age
        Seconds since the last change; with 0, no other process may be writing the paths.
    """
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    for folder, inside in names.items():
        for found in os.listdir(folder) if folder.is_dir() else ():  # noqa: PTH208 - names are all that is needed
            match = _TEMPORARY.fullmatch(found)
            if match and match[1] in inside and time.time() - (folder / found).lstat().st_mtime >= age:
                remove(folder / found)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")


def _exchange(path: Path, other: Path) -> bool:
    """Exchange two names in one step; return False if the system cannot."""
    import ctypes  # Python has no function for renameat2(2)

    at_working_directory, exchange = -100, 2
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = os.fsencode(path), os.fsencode(other)
    return bool(renameat2(at_working_directory, names[0], at_working_directory, names[1], exchange) == 0)
