"""nbship's own protocol: records and predictions, feedback, and results by key."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from functools import partial
from typing import Any

from ...errors import RequestError
from ...inference import Logged, PendingPredictions, Results, accept_feedback, find_results, start_prediction
from ...tabular import parse_json
from ..http import PendingResponse, Request, Response, json_response

__all__ = ["begin", "check_charset", "check_json", "feedback", "lookup", "predict", "read_json"]

_JSON_HINT = "Send JSON with the header 'Content-Type: application/json' (curl: -H 'Content-Type: application/json')."


def predict(request: Request, served: Logged, *, most_rows: int) -> PendingResponse:
    """Predict for one record, or for a list of records."""
    content = read_json(request)
    one = not isinstance(content, list)
    pending = begin(request, served, [content] if one else content, most_rows=most_rows)
    return PendingResponse(pending, partial(_respond, pending, one))


def _respond(pending: PendingPredictions, one: bool) -> Response:
    pending.check()
    predictions = pending.responses()
    return json_response(predictions[0] if one else predictions)


def begin(request: Request, served: Logged, rows: Sequence[Any], *, most_rows: int) -> PendingPredictions:
    """Return the predictions to be made for the rows of a request, and note their number for the request log."""
    request.rows = len(rows)
    return start_prediction(served, rows, most_rows=most_rows, caller=request.caller, trace=request.trace)


def feedback(request: Request, served: Logged, *, most_rows: int) -> Response:
    """Store actual outcomes, reported by prediction id or by key."""
    content = read_json(request)
    rows = content if isinstance(content, list) else [content]
    request.rows = len(rows)
    stored = accept_feedback(served, rows, most_rows=most_rows)
    return json_response({"accepted": stored.accepted, "matched": stored.matched})


def lookup(request: Request, served: Logged, *, most_rows: int, results: Results | None) -> Response:
    """Return the predictions of a batch run for one key, or for a list of keys (null for an unknown key).

    Raises
    ------
    RequestError
        If a key is unknown that was not sent in a list.
    """
    content: Any = read_json(request) if results is not None else {}
    one = not isinstance(content, list)
    rows: Sequence[Any] = [content] if one else content
    request.rows = len(rows)
    found = find_results(results, rows, most_rows=most_rows)
    if one and found[0] is None:
        run = results.run.id if results is not None else ""
        raise RequestError(
            "not_found", f"The batch run '{run}' has no row with this key. Check the values of the key columns."
        )
    return json_response(found[0] if one else found)


def read_json(request: Request) -> Any:
    """Return the value of a JSON body; a byte order mark before it is ignored (RFC 8259, section 8.1)."""
    check_json(request)
    return parse_json(request.body.removeprefix(codecs.BOM_UTF8))


def check_json(request: Request, *, required: bool = True) -> None:
    """Raise RequestError unless the content type is JSON in UTF-8; without `required`, it may be missing."""
    if request.headers.get(b"content-type") == b"application/json":
        return
    kind = request.kind
    if not kind and not required:
        return
    if not kind:
        raise RequestError("unsupported_media_type", f"The request has no content type. {_JSON_HINT}")
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError("unsupported_media_type", f"The content type '{kind[:100]}' is not supported. {_JSON_HINT}")
    check_charset(request)


def check_charset(request: Request) -> None:
    """Raise RequestError unless the charset is UTF-8."""
    charset = request.header(b"content-type").lower().partition("charset=")[2].split(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise RequestError("unsupported_media_type", f"The charset '{charset[:40]}' is not supported. Send UTF-8.")
