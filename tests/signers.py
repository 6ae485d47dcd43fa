"""Key pairs of signers."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519


def write_key(folder: Path, name: str, *, ssh: bool = False) -> Path:
    """Write a key pair, and return the path of the private key; the path of the public key ends in `.pub`."""
    key = ed25519.Ed25519PrivateKey.generate()
    raw, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / name).write_bytes(key.private_bytes(serialization.Encoding.PEM, raw, no))
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    if ssh:
        encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    (folder / f"{name}.pub").write_bytes(key.public_key().public_bytes(encoding, form))
    return folder / name
