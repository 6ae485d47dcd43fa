"""Write zip archives without times, so that equal entries give equal bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

__all__ = ["write_zip"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_zip(entries: Mapping[str, bytes], *, compressed: bool = False) -> bytes:
    """Return a zip archive of the entries, in their order; its bytes depend on the entries alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            archive.writestr(entry, content)
    return buffer.getvalue()
