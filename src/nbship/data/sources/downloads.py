"""Download a file over HTTP: whole, of bounded size, and from no private address that is not declared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import SourceDownError, SourceError
from ...private_addresses import forbid_private_addresses
from ...text import one_line
from .declared import DeclaredSource

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = ["download"]

_BLOCK_BYTES = 1 << 16
_MOST_REDIRECTS = 5
_GONE = (404, 410)
_REJECTED = (401, 403, 407)
_LATER = (408, 425, 429, 500, 502, 503, 504)


def download(source: DeclaredSource, url: str, path: Path, *, on_progress: Callable[[], None]) -> None:
    """Write the response to a GET request to a file.

    Redirects are followed, without the declared headers where they lead to another host, and to private addresses only if
    these are declared. This process cannot connect to other private addresses afterwards.

    Raises
    ------
    SourceDownError
        If the server cannot be reached, or ends the connection early.
    SourceError
        If it rejects the request, or the response is too large.
    """
    import urllib3

    host = urlsplit(url).hostname or ""
    # Who declares a host on a private network means it; a server that redirects there may not be allowed to.
    rejected = forbid_private_addresses([host, *source.settings.allow_private], setting=f"{source.key}.allow_private")
    limits = urllib3.Timeout(connect=source.settings.connect_seconds, read=source.settings.read_seconds)
    headers = {"Accept-Encoding": "gzip", "User-Agent": "nbship", **source.headers}
    # Attempts are repeated with the whole reader, not here.
    retries = urllib3.Retry(
        None,
        connect=0,
        read=0,
        status=0,
        other=0,
        redirect=_MOST_REDIRECTS,
        remove_headers_on_redirect=[*source.headers],
    )
    try:
        with urllib3.PoolManager(timeout=limits, retries=retries) as pool:
            response = pool.request("GET", url, headers=headers, preload_content=False)
            try:
                _require_success(source, url, response.status)
                _save(source, url, response, path, on_progress)
            finally:
                response.close()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if rejected:
            raise SourceError(
                f"The source '{source.name}' leads elsewhere: {rejected[0]}, or correct '{source.key}.url'."
            ) from None
        raise _down(source, url, error) from None


def _require_success(source: DeclaredSource, url: str, status: int) -> None:
    shown = source.shown(url)
    if status in _LATER:
        raise SourceDownError(
            f"The source '{source.name}' is down: '{shown}' responded with HTTP status {status}. Try again later, or ask its owner."
        )
    if status in _REJECTED:
        raise SourceError(
            f"The source '{source.name}' rejected the credentials: '{shown}' responded with HTTP status {status}. Check the variables in '{source.key}.headers'."
        )
    if status in _GONE:
        raise SourceError(
            f"The source '{source.name}' has nothing at its address: '{shown}' responded with HTTP status {status}. Correct '{source.key}.url'."
        )
    if status != 200:
        raise SourceError(
            f"The source '{source.name}' cannot be read: '{shown}' responded with HTTP status {status}. Correct '{source.key}.url'."
        )


def _save(
    source: DeclaredSource, url: str, response: BaseHTTPResponse, path: Path, on_progress: Callable[[], None]
) -> None:
    most, count = source.settings.max_bytes, 0
    with path.open("wb") as file:
        for block in response.stream(_BLOCK_BYTES, decode_content=True):
            count += len(block)
            if count > most:
                raise SourceError(
                    f"The source '{source.name}' is too large: the response of '{source.shown(url)}' has more than {most:,} bytes. Raise '{source.key}.max_bytes', or read shorter windows."
                )
            file.write(block)
            on_progress()


def _down(source: DeclaredSource, url: str, error: Exception) -> SourceError:
    import urllib3.exceptions as http

    shown = source.shown(url)
    cause: Any = getattr(error, "reason", None) or error
    if "too many redirects" in str(cause):
        return SourceError(
            f"The source '{source.name}' leads elsewhere: '{shown}' redirects more than {_MOST_REDIRECTS} times. Correct '{source.key}.url'."
        )
    texts: list[tuple[type[Exception], str]] = [
        (http.NameResolutionError, "its host name is not known"),
        (http.NewConnectionError, "it did not accept a connection"),
        (http.ConnectTimeoutError, f"it accepted no connection within {source.settings.connect_seconds:g} s"),
        (http.ReadTimeoutError, f"it sent nothing for {source.settings.read_seconds:g} s"),
        (http.SSLError, "its certificate is not valid"),
        (http.DecodeError, "its response is not compressed as it claims"),
        (http.IncompleteRead, "it ended the connection before the whole response"),
        (http.ProtocolError, "it ended the connection before the whole response"),
    ]
    reason = next((text for kind, text in texts if isinstance(cause, kind)), one_line(cause, most=120).rstrip("."))
    return SourceDownError(
        f"The source '{source.name}' is down: '{shown}': {reason}. Check that the server is running and '{source.key}.url'."
    )
