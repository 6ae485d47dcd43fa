"""Authentication: by API key, by a trusted proxy, or none."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ServingError
from ...project import ServingSection
from .api_keys import KeyFile
from .asgi import HTTPError, Request, Scope

__all__ = ["Access", "check_address", "keys_of", "open_access"]


@dataclass(frozen=True)
class Access:
    """How callers authenticate.

    Attributes
    ----------
    mode
        "keys", "proxy" or "none".
    """

    mode: str = "none"
    keys: KeyFile | None = None
    proxies: tuple[Any, ...] = ()

    def require(self) -> None:
        """Raise ServingError if there are no API keys that callers could have."""
        if self.keys is not None:
            self.keys.require()

    def admit(self, request: Request, scope: Scope, role: str | None) -> str:
        """Return the name of the caller.

        Parameters
        ----------
        role
            The role that the caller needs: "any" for any valid key, None for no authentication.

        Raises
        ------
        HTTPError
            If the caller is unknown, or lacks the role.
        ServingError
            If the API keys cannot be read.
        """
        peer = scope["client"][0] if scope.get("client") else "local"
        if role is None or self.mode == "none":
            return str(peer)
        if self.mode == "proxy":
            return self._forwarded_user(request, str(peer))
        assert self.keys is not None
        header = request.header(b"authorization")
        text = header[7:].strip() if header[:7].lower() == "bearer " else request.header(b"x-api-key")
        key = self.keys.find(text) if text else None
        if key is None:
            message = (
                "The API key is unknown. Create keys with `nbship keys add`."
                if text
                else "The request has no API key. Send the header 'Authorization: Bearer <key>'."
            )
            raise HTTPError("unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
        if role != "any" and role not in key.roles:
            raise HTTPError("forbidden", f"The key '{key.name}' lacks the role '{role}'. Use a key with this role.")
        return key.name

    def _forwarded_user(self, request: Request, peer: str) -> str:
        try:
            known = any(ipaddress.ip_address(peer) in network for network in self.proxies)
        except ValueError:
            known = False
        if not known:
            raise HTTPError(
                "forbidden",
                f"The address '{peer}' is not a trusted proxy. Send requests through the proxy in 'serving.proxies'.",
            )
        # The proxy adds the last entry of X-Forwarded-For; the caller may have forged the entries before it.
        user = request.header(b"x-forwarded-user") or request.header(b"x-forwarded-for").rpartition(",")[2].strip()
        return user[:200] if user.isprintable() and user else peer


def open_access(settings: ServingSection, *, state: Path) -> Access:
    """Return the authentication that the settings require.

    Raises
    ------
    ServingError
        If the settings contradict each other.
    """
    if settings.auth == "keys":
        keys = keys_of(settings, state=state)
        if not keys.keys():
            raise ServingError(
                f"'serving.auth' is 'keys', but '{keys.path}' has no keys. Create one: `nbship keys add NAME --role predict`."
            )
        return Access("keys", keys)
    if settings.auth == "proxy":
        return Access("proxy", proxies=_networks(settings.proxies))
    return Access()


def keys_of(settings: ServingSection, *, state: Path) -> KeyFile:
    """Return the key file: 'serving.keys', or keys.json in the state folder."""
    return KeyFile(Path(settings.keys) if settings.keys else state / "keys.json")


def check_address(host: str, settings: ServingSection) -> None:
    """Raise ServingError if other machines can reach an address and `serving.auth` is not set.

    Raises
    ------
    ServingError
        If `host` is not a loopback address, and `serving.auth` is not set.

    >>> check_address("127.0.0.1", ServingSection())
    >>> check_address("0.0.0.0", ServingSection(auth="none"))
    >>> check_address("0.0.0.0", ServingSection())
    Traceback (most recent call last):
    ...
    nbship.errors.ServingError: The address '0.0.0.0' is reachable from other machines, but 'serving.auth' is not set. Set it to keys or proxy, to none for access without authentication, or listen on 127.0.0.1.
    """
    try:
        safe = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        safe = False
    if not safe and not settings.auth:
        raise ServingError(
            f"The address '{host}' is reachable from other machines, but 'serving.auth' is not set. "
            "Set it to keys or proxy, to none for access without authentication, or listen on 127.0.0.1."
        )


def _networks(addresses: Sequence[str]) -> tuple[Any, ...]:
    if not addresses:
        raise ServingError(
            "'serving.auth' is 'proxy', but 'serving.proxies' is empty. List the addresses of the proxy: [10.0.0.5]."
        )
    try:
        return tuple(ipaddress.ip_network(address, strict=False) for address in addresses)
    except ValueError as error:
        raise ServingError(
            f"'serving.proxies' is not valid: {error}. List addresses or networks, such as 10.0.0.0/8."
        ) from error
