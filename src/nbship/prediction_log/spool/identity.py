"""The identity of a spool: its number, and the salt of its database."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from ...atomic_write import write_whole
from ...errors import FileLockError, LogError
from ...file_locks import changing
from ..sqlite import Sqlite

__all__ = ["SpoolIdentity", "read_identity", "store_salt"]


class SpoolIdentity(msgspec.Struct, frozen=True):
    """What the file `spool.json` holds.

    Attributes
    ----------
    number
        By it the database distinguishes the writers of a spool from others.
    salt
        The database's salt for pseudonyms; None until the database was reached once.
    """

    number: int
    salt: bytes | None = None
    format: int = 1


def read_identity(path: Path, legacy: Path) -> SpoolIdentity:
    """Read a spool's identity, or create it; a spool of an earlier version had its salt in the file `legacy`.

    Raises
    ------
    LogError
        If the file cannot be read or written.
    """
    try:
        with changing(path):
            if path.exists():
                return msgspec.json.decode(path.read_bytes(), type=SpoolIdentity)
            identity = SpoolIdentity(secrets.randbits(62), _legacy_salt(legacy))
            _write(path, identity)
            return identity
    except (OSError, msgspec.DecodeError, FileLockError) as error:
        raise _unusable(path, error) from error


def store_salt(path: Path, identity: SpoolIdentity, salt: bytes) -> SpoolIdentity:
    """Return the identity with the salt of the database, and store it."""
    if identity.salt == salt:
        return identity
    identity = msgspec.structs.replace(identity, salt=salt)
    try:
        _write(path, identity)
    except OSError as error:
        raise _unusable(path, error) from error
    return identity


def _unusable(path: Path, error: Exception) -> LogError:
    return LogError(
        f"The spool's file '{path}' cannot be used: {error}. Check the disk and the permissions of the file."
    )


def _write(path: Path, identity: SpoolIdentity) -> None:
    write_whole(path, msgspec.json.encode(identity), durable=True, mode=0o600)


def _legacy_salt(path: Path) -> bytes | None:
    if not path.exists():
        return None
    with Sqlite(path).connected("read") as connection:
        row = connection.execute("SELECT value FROM meta WHERE name = 'primary salt'").fetchone()
    return None if row is None else bytes(row[0])
