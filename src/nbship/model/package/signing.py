"""Who made a package: an Ed25519 signature of its manifest's digest, in a file beside it.

The manifest holds the digest of every file, so to sign it is to sign them all. `<package>.sig` lies beside the
package and not in it: a package is the same whether and by whomever it is signed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...atomic_write import write_whole
from ...errors import SignerError
from .manifest import Manifest, read_files

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["check_signer", "sign_package", "signature_path"]

FORMAT = 1
# So that a signature of a manifest is one of nothing else.
_PURPOSE = b"nbship package manifest\n"


def signature_path(package: Path) -> Path:
    """Return where the signature of a package (folder, wheel or archive) lies.

    >>> signature_path(Path("models/credit")).as_posix()
    'models/credit.sig'
    """
    return package.with_name(f"{package.name}.sig")


def sign_package(package: Path, key: Path) -> Path:
    """Sign a package folder, verified first, and return the signature's path; the same key gives the same bytes.

    Parameters
    ----------
    key
        An Ed25519 private key in PEM, without a password (`openssl genpkey -algorithm ed25519 -out maker.pem`).

    Raises
    ------
    SignerError
        If the key cannot be read.
    PackageError
        If there is no package, or it is damaged.
    """
    private = _private_key(key)
    manifest, _ = read_files(package)
    signed = private.sign(_PURPOSE + manifest.digest.encode())
    told = {
        "format": FORMAT,
        "manifest": manifest.digest,
        "signer": _fingerprint(private.public_key()),
        "signature": base64.b64encode(signed).decode(),
    }
    target = signature_path(package)
    write_whole(target, json.dumps(told, indent=1) + "\n")
    return target


def check_signer(package: Path, manifest: Manifest, *, signers: Sequence[Path]) -> str:
    """Return the fingerprint of the signer of a package, who must be one of these.

    Parameters
    ----------
    manifest
        What was read of it: nothing else is vouched for.
    signers
        Ed25519 public keys, in PEM or as OpenSSH writes them.

    Raises
    ------
    SignerError
        If the package is not signed, the signature is not one of this manifest, or not by one of these.
    """
    from cryptography.exceptions import InvalidSignature

    path = signature_path(package)
    try:
        told = json.loads(path.read_bytes())
        signer, signed = str(told["signer"]), base64.b64decode(told["signature"], validate=True)
        if told["format"] != FORMAT:
            raise ValueError(f"format {told['format']}")
    except FileNotFoundError:
        raise SignerError(
            f"Package '{package}' is not signed, and 'release.signers' asks for it. Sign it: `nbship package sign --key KEY`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignerError(f"'{path}' is no signature: {error!r}. Sign the package again.") from error
    known = {_fingerprint(key): key for key in map(_public_key, signers)}
    if signer not in known:
        raise SignerError(
            f"Package '{package}' is signed by {signer[:40]}, who is not among 'release.signers'. Add the key there, or do not use it."
        )
    try:
        known[signer].verify(signed, _PURPOSE + manifest.digest.encode())
    except InvalidSignature:
        raise SignerError(
            f"The signature of package '{package}' is not one of version {manifest.version}. Sign it again, or do not use it."
        ) from None
    return signer


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignerError(f"The key '{path}' cannot be read: {error}. Give an Ed25519 key in PEM.") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SignerError(f"The key '{path}' is not an Ed25519 key. Make one: `openssl genpkey -algorithm ed25519`.")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        content = path.read_bytes()
        ssh = content.startswith(b"ssh-")
        key = serialization.load_ssh_public_key(content) if ssh else serialization.load_pem_public_key(content)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise SignerError(f"The signer's key '{path}' cannot be read: {error}. Give an Ed25519 public key.") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SignerError(f"The signer's key '{path}' is not an Ed25519 public key. Give one.")
    return key


def _fingerprint(key: Ed25519PublicKey) -> str:
    """Return a key's name, as `sha256:` and the first 32 hex digits of its raw bytes' digest."""
    return f"sha256:{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]}"
