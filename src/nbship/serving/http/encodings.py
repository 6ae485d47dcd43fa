"""Compressed bodies: gzip in requests and responses."""

from __future__ import annotations

import gzip
import zlib

import msgspec

from .asgi import HTTPError, Request, Response, too_large

__all__ = ["compressed", "decompressed"]

# gzip's header and trailer, in zlib's numbering of formats.
_GZIP = 31
# Smaller responses are sent as they are: compressing them takes longer than sending them.
_LEAST_BYTES = 16_384


def decompressed(request: Request, body: bytes, *, most: int) -> bytes:
    """Return the body without its `Content-Encoding`, of at most `most` bytes.

    Raises
    ------
    HTTPError
        If the encoding is not gzip, the body is damaged, or its content is too large.
    """
    encoding = request.header(b"content-encoding").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise HTTPError(
            "unsupported_encoding", f"The body is encoded as '{encoding[:40]}'. Send it uncompressed, or with gzip."
        )
    reader = zlib.decompressobj(_GZIP)
    try:
        content = reader.decompress(body, most + 1)
    except zlib.error as error:
        raise HTTPError("invalid_encoding", f"The body is not gzip: {error}. Send it uncompressed.") from error
    if len(content) > most:
        raise too_large(most)
    if not reader.eof or reader.unused_data:
        raise HTTPError("invalid_encoding", "The body is not one whole gzip stream. Send it uncompressed.")
    return content


def compressed(request: Request, response: Response) -> Response:
    """Return the response with gzip, if the client accepts it and the body is large."""
    if len(response.body) < _LEAST_BYTES or not _accepts_gzip(request.header(b"accept-encoding")):
        return response
    headers = {**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return msgspec.structs.replace(response, body=gzip.compress(response.body, 1, mtime=0), headers=headers)


def _accepts_gzip(header: str) -> bool:
    """Return whether `Accept-Encoding` names gzip.

    >>> _accepts_gzip("br, gzip;q=0.5"), _accepts_gzip("gzip;q=0"), _accepts_gzip("*")
    (True, False, False)
    """
    for part in header.lower().split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
