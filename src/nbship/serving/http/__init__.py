"""HTTP: requests and responses on ASGI, limits, API keys, metrics and the request log."""

from __future__ import annotations

from .api_keys import ROLES, KeyFile
from .asgi import (
    HTTPError,
    PendingResponse,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    error_response,
    json_response,
    read_body,
    send_response,
    too_large,
)
from .auth import Access, check_address, keys_of, open_access
from .encodings import compressed, decompressed
from .exchange import Exchange
from .group_commit import GroupCommit
from .limiter import Admission, Limiter
from .metrics import FOLDER, ServiceMetrics, forget_worker, resident_bytes
from .origins import Origins
from .outbox import Outbox
from .request_log import RequestLog, identify, trace_headers
from .statuses import MEANINGS, RETRY_AFTER, STATUSES, as_request_error
from .uvicorn_protocol import Connection

__all__ = [
    "FOLDER",
    "MEANINGS",
    "RETRY_AFTER",
    "ROLES",
    "STATUSES",
    "Access",
    "Admission",
    "Connection",
    "Exchange",
    "GroupCommit",
    "HTTPError",
    "KeyFile",
    "Limiter",
    "Origins",
    "Outbox",
    "PendingResponse",
    "Receive",
    "Request",
    "RequestLog",
    "Response",
    "Scope",
    "Send",
    "ServiceMetrics",
    "as_request_error",
    "check_address",
    "compressed",
    "decompressed",
    "error_response",
    "forget_worker",
    "identify",
    "json_response",
    "keys_of",
    "open_access",
    "read_body",
    "resident_bytes",
    "send_response",
    "too_large",
    "trace_headers",
]
