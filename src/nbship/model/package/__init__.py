"""Read a package: manifest, digests, code, provenance and the loaded model."""

from __future__ import annotations

from ..stored_files import reading
from .archive import ARCHIVE, read_archive, read_wheel
from .code import collect_code, distributions_in, distributions_of
from .keys import fingerprint, is_signed, require_cryptography, sign_message
from .loaded import PINNED_LIBRARIES, PackagedModel, backend_of
from .lookup_files import dump_lookups, load_lookups, parquet_bytes
from .manifest import (
    GOLDEN_OUTPUT,
    MANIFEST,
    Manifest,
    json_bytes,
    make_manifest,
    read_files,
    read_manifest,
    verify_files,
)
from .package import ModelId, Package, file_of
from .provenance import Provenance
from .signing import check_signer, sign_package, signature_path

__all__ = [
    "ARCHIVE",
    "GOLDEN_OUTPUT",
    "MANIFEST",
    "PINNED_LIBRARIES",
    "Manifest",
    "ModelId",
    "Package",
    "PackagedModel",
    "Provenance",
    "backend_of",
    "check_signer",
    "collect_code",
    "distributions_in",
    "distributions_of",
    "dump_lookups",
    "file_of",
    "fingerprint",
    "is_signed",
    "json_bytes",
    "load_lookups",
    "make_manifest",
    "parquet_bytes",
    "read_archive",
    "read_files",
    "read_manifest",
    "read_wheel",
    "reading",
    "require_cryptography",
    "sign_message",
    "sign_package",
    "signature_path",
    "verify_files",
]
