"""Which pages may call the service from a browser, and by which names of the host.

Without this, any page that a user visits could post to a service on the user's machine or network; and with a name of
its own that later resolves to the service's address (DNS rebinding), it could read the responses.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import cached_property

from ...project import ServingSection
from .asgi import HTTPError, Request, Response

__all__ = ["Origins"]

# Names that end so are not resolved by public name servers, so no page on the internet can have one.
_PRIVATE = ("localhost", "local", "internal", "svc")
_METHODS = "GET, HEAD, OPTIONS, POST"
_SENT = "Authorization, Content-Type, Content-Encoding, X-API-Key, X-Request-ID, traceparent, Inference-Header-Content-Length"
_READ = b"Inference-Header-Content-Length, Retry-After, X-Model-Version, X-Request-ID, traceparent"
_DAY = "86400"


class Origins:
    """The rules for the headers `Host`, `Origin` and `Sec-Fetch-Site` of requests.

    Parameters
    ----------
    check_host
        Whether the host name must be known: where callers do not authenticate, a page could use their address.

    >>> request = Request({"method": "POST", "path": "/", "headers": [(b"host", b"127.0.0.1:8000"), (b"origin", b"https://shop.example")]})
    >>> Origins(ServingSection(), check_host=True).check(request)
    Traceback (most recent call last):
    ...
    nbship.serving.http.asgi.HTTPError: Pages of the origin 'https://shop.example' may not call this service. Add the origin to 'serving.cors'.
    >>> Origins(ServingSection(cors=["https://shop.example"]), check_host=True).check(request)
    """

    def __init__(self, settings: ServingSection, *, check_host: bool) -> None:
        self._allowed = frozenset(settings.cors)
        self._hosts, self._check_host = settings.hosts, check_host
        self._known: set[bytes] = set()

    def check(self, request: Request) -> None:
        """Raise HTTPError if the request is from a page, or for a host name, that is not allowed."""
        headers = request.headers
        if self._check_host:
            host = headers.get(b"host", b"")
            if host not in self._known:
                self._check_name(host)
        # Requests of programs have neither header: they are decided by two look-ups.
        if b"origin" in headers or b"sec-fetch-site" in headers:
            self._check_origin(request)

    def header_lines(self, request: Request) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that let an allowed page read the response."""
        origin = request.headers.get(b"origin", b"")
        if not origin or not self._allows(origin.decode("latin-1")):
            return ()
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _READ),
            (b"vary", b"Origin"),
        )

    def preflight(self, request: Request, methods: str) -> Response:
        """Return the response to OPTIONS, which browsers send before a request from another origin."""
        headers = {"Allow": f"{methods}, OPTIONS"}
        if self.header_lines(request):
            headers |= {
                "Access-Control-Allow-Methods": _METHODS,
                "Access-Control-Allow-Headers": _SENT,
                "Access-Control-Max-Age": _DAY,
            }
        return Response(200, b"", "text/plain", headers)

    def _allows(self, origin: str) -> bool:
        return "*" in self._allowed or origin in self._allowed

    def _check_origin(self, request: Request) -> None:
        origin, site = request.header(b"origin"), request.header(b"sec-fetch-site")
        # Browsers set Sec-Fetch-Site, and pages cannot: "none" is the address bar.
        if (origin and self._allows(origin)) or site in ("same-origin", "none"):
            return
        link = request.header(b"sec-fetch-mode") == "navigate" and request.method in ("GET", "HEAD")
        if (site and not link) or (origin and _authority(origin) != _without_port(request.header(b"host"))):
            subject = f"Pages of the origin '{origin[:100]}'" if origin else "Pages of another site"
            raise HTTPError("forbidden", f"{subject} may not call this service. Add the origin to 'serving.cors'.")

    def _check_name(self, host: bytes) -> None:
        name = _name(host.decode("latin-1"))
        if not (name in self._own_names or _is_private(name) or any(_matches(name, each) for each in self._hosts)):
            raise HTTPError(
                "forbidden",
                f"The host name '{name[:100]}' is not known here. Add it to 'serving.hosts', or set 'serving.auth' to keys.",
            )
        # Clients choose what they send: remember a few, so that the memory is bounded.
        if len(self._known) < 100:
            self._known.add(host)

    @cached_property
    def _own_names(self) -> frozenset[str]:
        return frozenset({"", socket.gethostname().lower()})


def _name(host: str) -> str:
    """Return the host name without port and brackets, in lower case.

    >>> _name("Model.example:8000"), _name("[::1]:8000"), _name("::1")
    ('model.example', '::1', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return (name if port.isdecimal() and name and ":" not in name else host).lower().rstrip(".")


def _is_private(name: str) -> bool:
    """Return whether a name cannot be one of a page on the internet: an address, one label, a private domain."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return "." not in name or name.rpartition(".")[2] in _PRIVATE
    return True


def _matches(name: str, pattern: str) -> bool:
    """Return whether a name is the pattern, or ends with a pattern that starts with a dot."""
    pattern = pattern.lower()
    return name.endswith(pattern) if pattern.startswith(".") else name == pattern


def _authority(origin: str) -> str:
    return _without_port(origin.partition("://")[2])


def _without_port(authority: str) -> str:
    """Remove the default port of a scheme."""
    return authority.lower().removesuffix(":80").removesuffix(":443")
