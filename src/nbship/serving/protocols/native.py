"""nbship's own protocol: records in, predictions out, and labels that come back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...errors import InvalidInputError, RequestError
from ...inference import Logged, PendingPredictions, Results, accept_feedback, find_results, start_prediction
from ...tabular import parse_json
from ..http import Answer, Request, Waiting, json_answer

__all__ = ["begin", "check_charset", "check_json", "feedback", "lookup", "parsed", "predict"]

_JSON_HINT = "Send JSON with the header 'Content-Type: application/json' (curl: -H 'Content-Type: application/json')."


def predict(request: Request, served: Logged, *, most_rows: int) -> Waiting:
    """Answer a record with a prediction, a list of records with a list of predictions."""
    content = parsed(request)
    one = not isinstance(content, list)
    pending = begin(request, served, [content] if one else content, most_rows=most_rows)
    return Waiting(pending, partial(_written, pending, one))


def _written(pending: PendingPredictions, one: bool) -> Answer:
    pending.check()
    answers = pending.responses()
    return json_answer(answers[0] if one else answers)


def begin(request: Request, served: Logged, rows: Sequence[Any], *, most_rows: int) -> PendingPredictions:
    """Predict for the rows of a request, whatever protocol they came by, and note it for the request log."""
    request.rows = len(rows)
    pending = start_prediction(served, rows, most_rows=most_rows, caller=request.caller, trace=request.trace)
    request.version = pending.version
    if isinstance(pending.error, InvalidInputError) and pending.error.failures:
        request.refused = pending.error.failures[0].field
    return pending


def feedback(request: Request, served: Logged, *, most_rows: int) -> Answer:
    """Store what truly happened, reported by prediction id or by key."""
    content = parsed(request)
    rows = content if isinstance(content, list) else [content]
    request.rows = len(rows)
    stored = accept_feedback(served, rows, most_rows=most_rows)
    return json_answer({"accepted": stored.accepted, "matched": stored.matched})


def lookup(request: Request, served: Logged, *, most_rows: int, results: Results | None) -> Answer:
    """Answer with what a batch run predicted for a key; for a list of keys, with null for those that it did not have."""
    content: Any = parsed(request) if results is not None else {}
    one = not isinstance(content, list)
    rows: Sequence[Any] = [content] if one else content
    request.rows = len(rows)
    found = find_results(results, rows, most_rows=most_rows)
    if one and found[0] is None:
        run = results.run.id if results is not None else ""
        raise RequestError("not_found", f"The batch run '{run}' had no row with this key.")
    return json_answer(found[0] if one else found)


def parsed(request: Request) -> Any:
    """Return the JSON that the body holds."""
    check_json(request)
    return parse_json(request.body)


def check_json(request: Request) -> None:
    """Refuse a body that is declared as something else than JSON in UTF-8."""
    kind = request.kind or "application/json"
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError("unsupported_media_type", f"The body is declared as '{kind[:100]}'. {_JSON_HINT}")
    check_charset(request)


def check_charset(request: Request) -> None:
    """Refuse a body that is declared in another charset than UTF-8."""
    charset = request.header(b"content-type").lower().partition("charset=")[2].split(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise RequestError("unsupported_media_type", f"The body is declared as {charset[:40]}. Send UTF-8.")
