"""Who may ask: callers with keys, callers whom a proxy vouches for, or everybody on this machine."""

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
    """How callers are told apart.

    Attributes
    ----------
    mode
        "keys", "proxy" or "none".
    """

    mode: str = "none"
    keys: KeyFile | None = None
    proxies: tuple[Any, ...] = ()

    def admit(self, request: Request, scope: Scope, role: str | None) -> str:
        """Return who asks.

        Parameters
        ----------
        role
            What the caller must be allowed; "any" for each that is known, None for everybody.

        Raises
        ------
        HTTPError
            If the caller is unknown, or may not ask.
        """
        peer = scope["client"][0] if scope.get("client") else "local"
        if role is None or self.mode == "none":
            return str(peer)
        if self.mode == "proxy":
            return self._vouched(request, str(peer))
        assert self.keys is not None
        shown = request.header(b"authorization")
        text = shown[7:].strip() if shown[:7].lower() == "bearer " else request.header(b"x-api-key")
        key = self.keys.find(text) if text else None
        if key is None:
            message = "This key is not known." if text else "Send an API key: 'Authorization: Bearer …'."
            raise HTTPError("unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
        if role != "any" and role not in key.roles:
            raise HTTPError("forbidden", f"The key '{key.name}' may not ask for this. It needs the role '{role}'.")
        return key.name

    def _vouched(self, request: Request, peer: str) -> str:
        try:
            known = any(ipaddress.ip_address(peer) in network for network in self.proxies)
        except ValueError:
            known = False
        if not known:
            raise HTTPError("forbidden", "Only the declared proxy may ask. Ask through it.")
        user = request.header(b"x-forwarded-user") or request.header(b"x-forwarded-for").rpartition(",")[2].strip()
        return user[:200] if user.isprintable() and user else peer


def open_access(settings: ServingSection, *, state: Path) -> Access:
    """Return how the settings want callers told apart.

    Raises
    ------
    ServingError
        If they contradict themselves.
    """
    if settings.auth == "keys":
        keys = keys_of(settings, state=state)
        if not keys.keys():
            raise ServingError(
                f"'serving.auth' is keys, and '{keys.path}' holds none. Make one: `nbship keys add NAME --role predict`."
            )
        return Access("keys", keys)
    if settings.auth == "proxy":
        return Access("proxy", proxies=_networks(settings.proxies))
    return Access()


def keys_of(settings: ServingSection, *, state: Path) -> KeyFile:
    """Return the file of the keys: the settings' own, or that of the state folder."""
    return KeyFile(Path(settings.keys) if settings.keys else state / "keys.json")


def check_address(host: str, settings: ServingSection) -> None:
    """Refuse an address that other machines reach, unless it is said how callers are told apart.

    Raises
    ------
    ServingError
        If `host` is not a loopback address, and `serving.auth` says nothing.

    >>> check_address("127.0.0.1", ServingSection())
    >>> check_address("0.0.0.0", ServingSection(auth="none"))
    >>> check_address("0.0.0.0", ServingSection())
    Traceback (most recent call last):
    ...
    nbship.errors.ServingError: The address '0.0.0.0' is open to other machines, and the service does not ask who is calling. Say 'serving.auth': keys, proxy, or none to let everybody in; or use 127.0.0.1.
    """
    try:
        safe = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        safe = False
    if not safe and not settings.auth:
        raise ServingError(
            f"The address '{host}' is open to other machines, and the service does not ask who is calling. "
            "Say 'serving.auth': keys, proxy, or none to let everybody in; or use 127.0.0.1."
        )


def _networks(texts: Sequence[str]) -> tuple[Any, ...]:
    if not texts:
        raise ServingError("'serving.auth' is proxy, and 'serving.proxies' names none. List its addresses: [10.0.0.5].")
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise ServingError(
            f"'serving.proxies' is wrong: {error}. List addresses or networks, such as 10.0.0.0/8."
        ) from error
