"""Ed25519 keys in files: sign a message, and check a signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SignerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["fingerprint", "is_signed", "require_cryptography", "sign_message"]


def require_cryptography(setting: str) -> None:
    """Raise SignerError if the library that checks signatures is not installed.

    Parameters
    ----------
    setting
        The setting that needs it.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise SignerError(
            f"'{setting}' needs the library 'cryptography', which is not installed. Install it: `pip install 'nbship[sign]'`."
        ) from error


def sign_message(message: bytes, key: Path) -> tuple[str, str]:
    """Sign a message, and return the fingerprint of the key and the signature (base64); the same key gives the same signature.

    Parameters
    ----------
    message
        It should start with its purpose, so that no signature of one kind is valid as one of another kind.
    key
        An Ed25519 private key without a password, in PEM (`openssl genpkey -algorithm ed25519 -out maker.pem`) or
        OpenSSH format.

    Raises
    ------
    SignerError
        If the key cannot be read.
    """
    require_cryptography("--key")
    private = _private_key(key)
    return _fingerprint(private.public_key()), base64.b64encode(private.sign(message)).decode()


def is_signed(message: bytes, signature: str, key: Path) -> bool:
    """Tell whether a signature (base64) of a message belongs to a public key (PEM or OpenSSH).

    Raises
    ------
    SignerError
        If the key cannot be read.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(key).verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, binascii.Error):
        return False
    return True


def fingerprint(key: Path) -> str:
    """Return `sha256:` and the first 32 hex digits of the digest of a public key, the same in both formats.

    Raises
    ------
    SignerError
        If the key cannot be read.
    """
    return _fingerprint(_public_key(key))


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        content = path.read_bytes()
        ssh = content.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
        key = (serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key)(
            content, password=None
        )
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignerError(
            f"The key '{path}' cannot be read: {error}. Name an Ed25519 private key in PEM format."
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SignerError(f"The key '{path}' is not an Ed25519 key. Create one: `openssl genpkey -algorithm ed25519`.")
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
        raise SignerError(f"The signer's key '{path}' cannot be read: {error}. Name an Ed25519 public key.") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SignerError(f"The signer's key '{path}' is not an Ed25519 public key. Name one.")
    return key


def _fingerprint(key: Ed25519PublicKey) -> str:
    return f"sha256:{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]}"
