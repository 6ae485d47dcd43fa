"""API keys: who may ask for what. A key itself is shown once; only its hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import ServingError

__all__ = ["ROLES", "Key", "KeyFile"]

ROLES = ("predict", "feedback", "metrics")
_PREFIX = "nbship_"
_LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Key:
    """A key by its hash.

    Attributes
    ----------
    roles
        What it may ask for: "predict", "feedback", "metrics".
    sha256
        Of the key, in hexadecimal digits: keys are random and long, so that this cannot be turned back.
    """

    name: str
    roles: tuple[str, ...]
    sha256: str


class KeyFile:
    """The keys in a JSON file; a service sees its changes within a second.

    >>> import tempfile
    >>> keys = KeyFile(Path(tempfile.mkdtemp()) / "keys.json")
    >>> text = keys.add("shop", ["predict"])
    >>> keys.find(text).name, keys.find("nbship_guess")
    ('shop', None)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: tuple[Key, ...] = ()
        self._seen: tuple[int, int] | None = None
        self._looked = -_LOOK_AGAIN_SECONDS

    def keys(self) -> tuple[Key, ...]:
        """Return the keys that there are.

        Raises
        ------
        ServingError
            If the file cannot be read.
        """
        self._looked = time.monotonic()
        try:
            status = self.path.stat()
            if self._seen != (status.st_mtime_ns, status.st_size):
                content = json.loads(self.path.read_text(encoding="utf-8"))
                self._keys = tuple(Key(each["name"], tuple(each["roles"]), each["sha256"]) for each in content["keys"])
                self._seen = status.st_mtime_ns, status.st_size
        except FileNotFoundError:
            self._keys, self._seen = (), None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServingError(
                f"The API keys in '{self.path}' cannot be read: {error}. Write them with `nbship keys add`."
            ) from error
        return self._keys

    def find(self, text: str) -> Key | None:
        """Return the key that a caller shows, or None; the time that this takes tells nothing of the keys."""
        keys = self.keys() if time.monotonic() - self._looked > _LOOK_AGAIN_SECONDS else self._keys
        digest, found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), None
        for key in keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def add(self, name: str, roles: Sequence[str]) -> str:
        """Make a key, and return it; it cannot be shown again.

        Raises
        ------
        ServingError
            If there is a key of this name, or a role is not known.
        """
        if any(key.name == name for key in self.keys()):
            raise ServingError(f"There is a key '{name}' already. Revoke it first, or choose another name.")
        if unknown := [role for role in roles if role not in ROLES]:
            raise ServingError(f"The role '{unknown[0]}' is not known. Use {', '.join(ROLES)}.")
        text = _PREFIX + secrets.token_urlsafe(32)
        made = Key(name, tuple(dict.fromkeys(roles)), hashlib.sha256(text.encode()).hexdigest())
        self._write((*self.keys(), made))
        return text

    def revoke(self, name: str) -> None:
        """Take a key back.

        Raises
        ------
        ServingError
            If there is none of this name.
        """
        kept = tuple(key for key in self.keys() if key.name != name)
        if len(kept) == len(self.keys()):
            names = ", ".join(key.name for key in kept) or "none"
            raise ServingError(f"There is no key '{name}'. There are: {names}.")
        self._write(kept)

    def _write(self, keys: Sequence[Key]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        self._keys, self._seen = tuple(keys), None
