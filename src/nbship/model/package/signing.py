"""Sign packages and check signatures: an Ed25519 signature of the manifest's digest, in a file beside the package.

The manifest holds the digest of every file, so a signature of the manifest covers them all. `<package>.sig` is
beside the package and not in it, so that signing does not change the package.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ...atomic_write import write_whole
from ...errors import SignerError
from .archive import read_wheel
from .keys import fingerprint, is_signed, require_cryptography, sign_message
from .manifest import Manifest, read_files

__all__ = ["check_signer", "sign_package", "signature_path"]

FORMAT = 1
# Domain separation: the same key may sign other things, and no such signature is one of a manifest.
_PURPOSE = b"nbship package manifest\n"


def signature_path(package: Path) -> Path:
    """Return the path of the signature of a package (folder, wheel or archive).

    A link, as in `current -> v2`, may have the signature of the folder that it leads to.

    >>> signature_path(Path("models/credit")).as_posix()
    'models/credit.sig'
    """
    path = package.with_name(f"{package.name}.sig")
    if package.is_symlink() and not path.exists():
        package = package.resolve()
    return package.with_name(f"{package.name}.sig")


def sign_package(package: Path, key: Path) -> Path:
    """Verify and sign a package folder or wheel, and return the path of the signature; the same key gives the same bytes.

    Parameters
    ----------
    key
        An Ed25519 private key in PEM, without a password (`openssl genpkey -algorithm ed25519 -out maker.pem`).

    Raises
    ------
    SignerError
        If the key cannot be read.
    PackageError
        If there is no package, or a file differs from the manifest.
    """
    manifest, _ = read_wheel(package) if package.suffix == ".whl" else read_files(package)
    signer, signature = sign_message(_PURPOSE + manifest.digest.encode(), key)
    content = {"format": FORMAT, "manifest": manifest.digest, "signer": signer, "signature": signature}
    target = signature_path(package)
    write_whole(target, json.dumps(content, indent=1) + "\n")
    return target


def check_signer(package: Path, manifest: Manifest, *, signers: Sequence[Path]) -> str | None:
    """Check that a package is signed by one of the allowed signers, and return the fingerprint of its signer.

    Without signers, every package is allowed.

    Parameters
    ----------
    manifest
        The manifest of the loaded files; the signature must be of this manifest.
    signers
        Ed25519 public keys in PEM or OpenSSH format.

    Raises
    ------
    SignerError
        If the package is not signed, the signature is of another manifest, or the signer is not allowed.
    """
    if not signers:
        return None
    require_cryptography("release.signers")
    path = signature_path(package)
    try:
        content = json.loads(path.read_bytes())
        signer, signature = str(content["signer"]), str(content["signature"])
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
    except FileNotFoundError:
        raise SignerError(
            f"Package '{package}' is not signed, but 'release.signers' requires a signature. Sign it: `nbship package sign --key KEY`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignerError(f"'{path}' is not a signature: {error!r}. Sign the package again.") from error
    known = {fingerprint(key): key for key in signers}
    if signer not in known:
        raise SignerError(
            f"Package '{package}' is signed by {signer[:40]}, whose key is not in 'release.signers'. Add the key, or do not use the package."
        )
    if not is_signed(_PURPOSE + manifest.digest.encode(), signature, known[signer]):
        raise SignerError(
            f"The signature of package '{package}' does not belong to version {manifest.version}. Sign it again, or do not use it."
        )
    return signer
