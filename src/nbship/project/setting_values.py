"""Values of settings that could never apply, or that contradict each other."""

from __future__ import annotations

import re

from ..errors import SettingsError
from .settings import LogSection, ServingSection

__all__ = ["check_log", "check_serving"]

# As browsers send it: in lower case, without a path.
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?P<port>:\d+)?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_HOST = re.compile(r"\.?[\w-]+(\.[\w-]+)*")
_SERVERS = ("postgresql", "postgres")


def check_serving(serving: ServingSection) -> None:
    """Raise SettingsError for settings of the service that could never apply.

    >>> check_serving(ServingSection(cors=["https://shop.example"], hosts=["models.example", ".example"]))
    >>> check_serving(ServingSection(cors=["https://shop.example/"]))
    Traceback (most recent call last):
    ...
    nbship.errors.SettingsError: 'serving.cors' has 'https://shop.example/', which is not an origin as browsers send it. Write 'https://shop.example'.
    """
    for origin in serving.cors:
        if origin not in ("*", "null") and not _is_origin(origin):
            raise SettingsError(
                f"'serving.cors' has '{origin}', which is not an origin as browsers send it. {_origin_hint(origin)}"
            )
    for host in serving.hosts:
        if not _HOST.fullmatch(host):
            raise SettingsError(
                f"'serving.hosts' has '{host}', which is not a host name. Write a name such as 'models.example', or '.example' for all names that end so."
            )
    if serving.probes_port and serving.probes_port == serving.port and not serving.unix_socket:
        raise SettingsError(
            f"'serving.probes_port' and 'serving.port' are both {serving.port}. Give probes another port, or remove 'serving.probes_port'."
        )
    if serving.proxies and serving.auth != "proxy":
        raise SettingsError(
            "'serving.proxies' applies only with 'serving.auth: proxy'. Set it, or remove 'serving.proxies'."
        )


def check_log(log: LogSection) -> None:
    """Raise SettingsError for settings of the log that could never apply."""
    if log.when_down == "spool" and log.url.partition("://")[0] not in _SERVERS:
        raise SettingsError(
            "'log.when_down' is 'spool', which applies only to a PostgreSQL database. Set 'log.url', or remove 'log.when_down'."
        )


def _is_origin(text: str) -> bool:
    match = _ORIGIN.fullmatch(text)
    return match is not None and match["port"] != _DEFAULT_PORTS.get(match["scheme"], "")


def _origin_hint(text: str) -> str:
    """Return the origin that was probably meant."""
    scheme, separator, rest = text.lower().partition("://")
    host = (rest if separator else scheme).partition("/")[0]
    scheme = scheme if separator else "https"
    meant = f"{scheme}://{host.removesuffix(_DEFAULT_PORTS.get(scheme, '/'))}"
    return (
        f"Write '{meant}'."
        if _is_origin(meant)
        else "Write one entry for each origin, such as 'https://shop.example', or '*' for all."
    )
