"""HTTP: the ASGI application, limits, keys, metrics and request log."""

from __future__ import annotations

from .admission import Gate
from .api_keys import ROLES, KeyFile
from .asgi import Answer, Receive, Refusal, Request, Scope, Send, Waiting, json_answer, read_body, send_answer
from .auth import Access, check_address, keys_of, open_access
from .json_body import BodyError, parse_body
from .log_commit import Landing
from .prometheus import FOLDER, Measures, forget_worker
from .request_log import RequestLines, identify, trace_headers
from .uvicorn_protocol import Connection, Outbox

__all__ = [
    "FOLDER",
    "ROLES",
    "Access",
    "Answer",
    "BodyError",
    "Connection",
    "Gate",
    "KeyFile",
    "Landing",
    "Measures",
    "Outbox",
    "Receive",
    "Refusal",
    "Request",
    "RequestLines",
    "Scope",
    "Send",
    "Waiting",
    "check_address",
    "forget_worker",
    "identify",
    "json_answer",
    "keys_of",
    "open_access",
    "parse_body",
    "read_body",
    "send_answer",
    "trace_headers",
]
