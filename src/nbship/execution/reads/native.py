"""The files that libraries open by themselves, such as Arrow, DuckDB and HDF5, which do not call Python's `open`.

The system reports them (fanotify; Linux 5.13, for every user). It marks each report with the process only if that is the
one that listens, so each kernel listens for itself. In containers that do not allow the call, nothing is reported.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Callable, Iterator

__all__ = ["NativeReads", "watch_native_reads"]

# <linux/fanotify.h>
_INIT = 0x1 | 0x2 | 0x400 | 0x800  # FAN_CLOEXEC, FAN_NONBLOCK, FAN_REPORT_DIR_FID, FAN_REPORT_NAME
_MARK_ADD = 0x1
_OPEN, _ON_CHILD, _OVERFLOW = 0x20, 0x0800_0000, 0x4000
_AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")  # length, version, reserved, length of this, mask, file, process
_INFO = struct.Struct("=BBHiiIi")  # type, padding, length, file system (two words), size and type of the handle
_CHUNK = 1 << 16
_MAX_HANDLE = 128
_MAX_FOLDERS = 4096


class NativeReads:
    """The files below a folder that this process opens, by any means.

    Parameters
    ----------
    group
        The descriptor of the fanotify group.
    folders
        Handle of a folder -> its path relative to the root.
    """

    def __init__(self, group: int, folders: dict[bytes, str]) -> None:
        self._group, self._folders, self._process = group, folders, os.getpid()

    def drain(self) -> list[str]:
        """Return the files that were opened since the last call, relative to the root.

        Raises
        ------
        OSError
            If more files were opened than the system reports (16,384).
        """
        found: dict[str, None] = {}
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._group, _CHUNK):
                for mask, process, name in self._events(data):
                    if mask & _OVERFLOW:
                        raise OSError("More files were opened than the system reports.")
                    if process == self._process and name is not None:
                        found[name] = None
        return list(found)

    def _events(self, data: bytes) -> Iterator[tuple[int, int, str | None]]:
        """Yield the mask, process and file of each event.

        Example: the handle of `data` and the name `a.csv` are the file `data/a.csv`.
        """
        while data:
            length, _, _, start, mask, _, process = _EVENT.unpack_from(data)
            name = None
            if length >= start + _INFO.size:
                *_, size, kind = _INFO.unpack_from(data, start)
                handle_end = start + _INFO.size + size
                folder = self._folders.get(struct.pack("=i", kind) + data[start + _INFO.size : handle_end])
                last = data[handle_end:length].partition(b"\0")[0]
                if folder is not None and last != b".":
                    name = os.path.join(folder, os.fsdecode(last))
            yield mask, process, name
            data = data[length:]


def watch_native_reads(root: str, *, allows: Callable[[str], bool]) -> NativeReads | None:
    """Listen to the folders below `root` whose files a stage may not read; None where the system cannot report."""
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(_INIT, os.O_RDONLY) if hasattr(libc, "fanotify_init") else -1
    if group < 0:
        return None
    folders: dict[bytes, str] = {}
    for folder in _folders(root, allows):
        path = os.fsencode(os.path.join(root, folder))
        if len(folders) >= _MAX_FOLDERS or (handle := _handle(libc, path)) is None:
            break
        mask = ctypes.c_uint64(_OPEN | _ON_CHILD)
        if libc.fanotify_mark(group, _MARK_ADD, mask, _AT_FDCWD, path) < 0:
            break
        folders[handle] = folder
    return NativeReads(group, folders)


def _folders(root: str, allows: Callable[[str], bool]) -> Iterator[str]:
    pending = [""]
    while pending:
        folder = pending.pop()
        yield folder
        with contextlib.suppress(OSError), os.scandir(os.path.join(root, folder)) as entries:
            inner = [f"{folder}/{each.name}".lstrip("/") for each in entries if each.is_dir(follow_symlinks=False)]
            pending += [each for each in inner if not allows(each) and not each.endswith("__pycache__")]


def _handle(libc: ctypes.CDLL, path: bytes) -> bytes | None:
    """Return the type and bytes of a folder's handle, as events hold them; None if the file system has none."""
    buffer = ctypes.create_string_buffer(struct.pack("=Ii", _MAX_HANDLE, 0), 8 + _MAX_HANDLE)
    mount = ctypes.c_int()
    if libc.name_to_handle_at(_AT_FDCWD, path, buffer, ctypes.byref(mount), 0) < 0:
        return None
    size, _ = struct.unpack_from("=Ii", buffer.raw)
    return buffer.raw[4 : 8 + size]
