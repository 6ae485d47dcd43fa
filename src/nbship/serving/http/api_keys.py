"""API keys and their roles. A key is shown once, when it is created; only its hash is stored."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...atomic_write import write_whole
from ...errors import ServingError
from ...file_locks import changing

__all__ = ["ROLES", "Key", "KeyFile"]

ROLES = ("predict", "feedback", "metrics")
_PREFIX = "nbship_"
_RELOAD_SECONDS = 1.0


@dataclass(frozen=True)
class Key:
    """The hash of a key, and what the key is for.

    Attributes
    ----------
    roles
        What the key is allowed to do: "predict", "feedback", "metrics".
    sha256
        Hexadecimal SHA-256 of the key. Keys are long and random, so the hash needs no salt.
    """

    name: str
    roles: tuple[str, ...]
    sha256: str


class KeyFile:
    """The keys in a JSON file. A running service sees a change within a second.

    >>> import tempfile
    >>> keys = KeyFile(Path(tempfile.mkdtemp()) / "keys.json")
    >>> text = keys.add("shop", ["predict"])
    >>> keys.find(text).name, keys.find("nbship_guess")
    ('shop', None)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: tuple[Key, ...] = ()
        self._seen: tuple[int, ...] | None = None
        self._checked_at = -_RELOAD_SECONDS

    def keys(self) -> tuple[Key, ...]:
        """Return all keys.

        Raises
        ------
        ServingError
            If the file cannot be read.
        """
        self._checked_at = time.monotonic()
        try:
            status = self.path.stat()
            seen = status.st_ino, status.st_mtime_ns, status.st_size
            if self._seen != seen:
                content = json.loads(self.path.read_text(encoding="utf-8"))
                self._keys = tuple(Key(each["name"], tuple(each["roles"]), each["sha256"]) for each in content["keys"])
                self._seen = seen
        except FileNotFoundError:
            self._keys, self._seen = (), None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._keys, self._seen = (), None
            raise ServingError(
                f"The API keys in '{self.path}' cannot be read: {error}. Restore the file, or delete it and create keys with `nbship keys add`."
            ) from error
        return self._keys

    def find(self, text: str) -> Key | None:
        """Return the key with this text, or None, in constant time for a given number of keys.

        Raises
        ------
        ServingError
            If the file cannot be read, or has no keys.
        """
        keys = self._recent()
        digest, found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), None
        # No early return: the time must not depend on which key matches.
        for key in keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def require(self) -> None:
        """Raise ServingError if the file cannot be read, or has no keys."""
        self._recent()

    def add(self, name: str, roles: Sequence[str]) -> str:
        """Create a key, and return it. It cannot be shown again.

        Raises
        ------
        ServingError
            If the name is taken, or a role is unknown.
        """
        if unknown := [role for role in roles if role not in ROLES]:
            raise ServingError(f"The role '{unknown[0]}' is unknown. Use one of {', '.join(ROLES)}.")
        text = _PREFIX + secrets.token_urlsafe(32)
        key = Key(name, tuple(dict.fromkeys(roles)), hashlib.sha256(text.encode()).hexdigest())
        with changing(self.path) as path:
            if any(key.name == name for key in self._current()):
                raise ServingError(f"The key '{name}' already exists. Revoke it first, or choose another name.")
            self._write(path, (*self._keys, key))
        return text

    def revoke(self, name: str) -> None:
        """Revoke a key.

        Raises
        ------
        ServingError
            If there is no key with this name.
        """
        with changing(self.path) as path:
            remaining = tuple(key for key in self._current() if key.name != name)
            if len(remaining) == len(self._keys):
                names = ", ".join(key.name for key in remaining) or "none"
                raise ServingError(f"The key '{name}' does not exist. Known keys: {names}.")
            self._write(path, remaining)

    def _recent(self) -> tuple[Key, ...]:
        """Return the keys as they were at most a second ago; no keys are an error, as no caller could authenticate."""
        fresh = self._keys and time.monotonic() - self._checked_at <= _RELOAD_SECONDS
        keys = self._keys if fresh else self.keys()
        if not keys:
            raise ServingError(
                f"The file '{self.path}' has no API keys. Restore it, or create keys with `nbship keys add`."
            )
        return keys

    def _current(self) -> tuple[Key, ...]:
        """Return the keys, read anew: a change of the last millisecond need not show in the file's status."""
        self._seen = None
        return self.keys()

    def _write(self, path: Path, keys: Sequence[Key]) -> None:
        write_whole(path, json.dumps({"keys": [asdict(key) for key in keys]}, indent=2), durable=True, mode=0o600)
        self._keys, self._seen = tuple(keys), None
