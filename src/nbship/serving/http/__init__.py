"""HTTP: the ASGI application, limits, keys, metrics and request log."""

from __future__ import annotations

from .admission import Gate
from .api_keys import ROLES, KeyFile
from .asgi import (
    Answer,
    HTTPError,
    Receive,
    Request,
    Scope,
    Send,
    Waiting,
    error_answer,
    json_answer,
    read_body,
    send_answer,
)
from .auth import Access, check_address, keys_of, open_access
from .log_commit import Landing
from .prometheus import FOLDER, Measures, forget_worker
from .request_log import RequestLines, identify, trace_headers
from .statuses import MEANINGS, RETRY_AFTER, STATUSES, as_request_error
from .uvicorn_protocol import Connection, Outbox

__all__ = [
    "FOLDER",
    "MEANINGS",
    "RETRY_AFTER",
    "ROLES",
    "STATUSES",
    "Access",
    "Answer",
    "Connection",
    "Gate",
    "HTTPError",
    "KeyFile",
    "Landing",
    "Measures",
    "Outbox",
    "Receive",
    "Request",
    "RequestLines",
    "Scope",
    "Send",
    "Waiting",
    "as_request_error",
    "check_address",
    "error_answer",
    "forget_worker",
    "identify",
    "json_answer",
    "keys_of",
    "open_access",
    "read_body",
    "send_answer",
    "trace_headers",
]
