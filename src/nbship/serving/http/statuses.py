"""The HTTP status of every error code."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import InvalidInputError, LogError, RequestError, ServingError

__all__ = ["MEANINGS", "RETRY_AFTER", "STATUSES", "as_request_error"]

STATUSES: Mapping[str, int] = {
    "invalid_http": 400,
    "invalid_json": 400,
    "invalid_csv": 400,
    "invalid_encoding": 400,
    "disconnected": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "too_large": 413,
    "unsupported_media_type": 415,
    "unsupported_encoding": 415,
    "invalid_input": 422,
    "busy": 429,
    "headers_too_large": 431,
    "internal": 500,
    "deactivated": 503,
    "not_ready": 503,
    "log_unavailable": 503,
}
# Value of the Retry-After header, in seconds.
RETRY_AFTER: Mapping[str, str] = {"busy": "1", "not_ready": "1", "log_unavailable": "5"}
# Descriptions in the OpenAPI document.
MEANINGS: Mapping[int, str] = {
    400: "The body is not strict JSON, or its encoding is damaged.",
    401: "The API key is missing or unknown.",
    403: "The API key lacks the required role, or the origin or host name is not allowed.",
    404: "The model, path or key does not exist.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The content type or encoding of the body is not supported.",
    422: "A record does not match the signature; `fields` lists every invalid field.",
    429: "The service is busy; Retry-After gives the seconds to wait.",
    500: "Internal error.",
    503: "The model is not ready or deactivated, or the prediction log is not available.",
}


def as_request_error(error: Exception) -> RequestError:
    """Return the error that the caller sees. Internal errors show no details."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, InvalidInputError):
        return RequestError("invalid_input", str(error), fields=error.failures)
    if isinstance(error, LogError):
        return RequestError(
            "log_unavailable", "The prediction log is not available, so the request was not answered. Try again later."
        )
    if isinstance(error, ServingError):
        return RequestError("not_ready", "The service cannot read its API keys. Try again later.")
    return RequestError("internal", "An internal error occurred. See the log of the service for its cause.")
