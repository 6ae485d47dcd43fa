"""Keep a process from connecting to private addresses, whatever name or spelling led to them.

The check is an audit hook on the connection itself, so it sees the address that is connected to: not the URL, whose
host has many spellings, and not an earlier look-up of the name, whose answer may change (DNS rebinding)::

    http://2130706433/   http://127.1/   http://rebinding.example/
              └──────────────┴──────────────────┴───► connect(("127.0.0.1", 80)) ───► rejected

Hooks cannot be removed: this is for a process of its own, which sends one message or reads one source.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterable
from typing import Any

__all__ = ["forbid_private_addresses", "is_public"]

_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
# Addresses of IPv6 that lead to an address of IPv4: the last 32 bits (RFC 6052, RFC 4291).
_EMBEDDING = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
# All that is assigned to the internet lies in the first; the others are for special uses, which Python 3.11 does not know.
_INTERNET = ipaddress.IPv6Network("2000::/3")
_SPECIAL = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.0.0.0/24"))


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the internet; a string that is no address does not.

    >>> is_public("93.184.216.34"), is_public("10.0.0.5"), is_public("::ffff:127.0.0.1"), is_public("127.1")
    (True, False, False, False)
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if any(found in network for network in _EMBEDDING):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if found not in _INTERNET:
            return False
    return found.is_global and not found.is_multicast and not any(found in network for network in _SPECIAL)


def forbid_private_addresses(allowed: Iterable[str] = (), *, setting: str = "alerts.allow_private") -> list[str]:
    """Let every later connection of this process to a private address fail with PermissionError.

    Parameters
    ----------
    allowed
        Hosts that may be connected to: addresses that these names have when they are looked up.
    setting
        The setting that names these hosts, for messages.

    Returns
    -------
    list
        A sentence for each connection that was rejected; it grows.
    """
    names = {_normal(name) for name in allowed}
    hosts: dict[str, str] = {}
    permitted: set[str] = set()
    rejected: list[str] = []
    look_up = socket.getaddrinfo

    def looked_up(host: Any, *arguments: Any, **options: Any) -> Any:
        found = look_up(host, *arguments, **options)
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        addresses = {str(entry[4][0]) for entry in found}
        hosts.update(dict.fromkeys(addresses, name))
        if _normal(name) in names:
            permitted.update(addresses)
        return found

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or arguments[1] is None:
            return
        # A socket of a file system has a path for an address.
        address = str(arguments[1][0]) if isinstance(arguments[1], tuple) else "a socket of this machine"
        if is_public(address) or address in permitted:
            return
        host = hosts.get(address, address)
        leads = f"'{host}'" if host == address else f"'{host}' ({address})"
        rejected.append(f"{leads} is not on the internet. If it is meant, add '{host}' to '{setting}'")
        raise PermissionError(f"Connections to {leads} are not allowed.")

    socket.getaddrinfo = looked_up
    sys.addaudithook(check)
    return rejected


def _normal(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
