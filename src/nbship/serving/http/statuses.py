"""HTTP's status of every error code that a request can end with."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import InvalidInputError, LogError, RequestError

__all__ = ["MEANINGS", "RETRY_AFTER", "STATUSES", "as_request_error"]

STATUSES: Mapping[str, int] = {
    "invalid_http": 400,
    "invalid_json": 400,
    "invalid_csv": 400,
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
    "not_ready": 503,
    "log_unavailable": 503,
}
# Seconds until another try makes sense.
RETRY_AFTER: Mapping[str, str] = {"busy": "1", "not_ready": "1", "log_unavailable": "5"}
# As the OpenAPI document explains them.
MEANINGS: Mapping[int, str] = {
    400: "The body is not strict JSON.",
    401: "There is no key, or it is not known.",
    403: "The key may not ask for this.",
    404: "There is no such model.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A record breaks the signature; every wrong field is named.",
    429: "The service is busy; Retry-After says when to come again.",
    500: "The service made a mistake.",
    503: "Predictions cannot be answered, or not be logged.",
}


def as_request_error(error: Exception) -> RequestError:
    """Return what a caller is told of an error; of one that is not theirs, no more than that there was one."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, InvalidInputError):
        return RequestError("invalid_input", str(error), fields=error.failures)
    if isinstance(error, LogError):
        return RequestError(
            "log_unavailable", "The prediction cannot be logged, so it is not answered. Try again later."
        )
    return RequestError("internal", "The service made a mistake. Its log says which.")
