"""nbship's own protocol: records in, predictions out, and labels that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import InputFailure, InvalidInputError, LogError
from ...inference import Logged, PendingPredictions, Results, store_feedback
from ..http import Answer, BodyError, Refusal, Request, Waiting, json_answer, parse_body

__all__ = ["begin", "check_json", "feedback", "lookup", "parsed", "predict", "refusing"]

_JSON_HINT = "Send JSON with the header 'Content-Type: application/json' (curl: -H 'Content-Type: application/json')."


def predict(request: Request, served: Logged, *, most_rows: int) -> Waiting:
    """Answer a record with a prediction, a list of records with a list of predictions."""
    content = parsed(request)
    one = not isinstance(content, list)
    pending = begin(request, served, [content] if one else content, most_rows=most_rows)
    return Waiting(pending, partial(_written, pending, one))


def _written(pending: PendingPredictions, one: bool) -> Answer:
    answers = checked(pending).responses()
    return json_answer(answers[0] if one else answers)


def begin(request: Request, served: Logged, rows: Sequence[Any], *, most_rows: int) -> PendingPredictions:
    """Predict for the rows of a request, whatever protocol they came by."""
    _check_rows(rows, most_rows)
    request.rows = len(rows)
    with refusing():
        pending = served.begin(rows, caller=request.caller, trace=request.trace)
    request.version = pending.version
    if isinstance(pending.error, InvalidInputError) and pending.error.failures:
        request.refused = pending.error.failures[0].field
    return pending


def checked(pending: PendingPredictions) -> PendingPredictions:
    """Return what is durable now; raise the refusal of what cannot be answered."""
    with refusing():
        pending.check()
    return pending


class refusing:  # noqa: N801
    """A context in which nbship's errors become refusals with their status."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InvalidInputError):
            raise Refusal(422, "invalid_input", str(error), fields=error.failures) from error
        if isinstance(error, LogError):
            message = "The prediction cannot be logged, so it is not answered. Try again later."
            raise Refusal(503, "log_unavailable", message, headers={"Retry-After": "5"}) from error


def feedback(request: Request, served: Logged, *, most_rows: int) -> Answer:
    """Store what truly happened, told by prediction id or by key."""
    content = parsed(request)
    rows = content if isinstance(content, list) else [content]
    _check_rows(rows, most_rows)
    request.rows = len(rows)
    with refusing():
        told = store_feedback(served.log, rows, signature=served.signature)
    return json_answer({"accepted": told.accepted, "matched": told.matched})


def lookup(request: Request, served: Logged, *, most_rows: int, results: Results | None) -> Answer:
    """Answer with what a batch run predicted for a key; for a list of keys, with null for those that it did not have."""
    if results is None:
        message = "No results are served. Say which: `nbship serve --results scored.parquet`."
        raise Refusal(404, "not_found", message)
    content = parsed(request)
    one = not isinstance(content, list)
    rows = [content] if one else content
    _check_rows(rows, most_rows)
    request.rows = len(rows)
    wrong = [
        InputFailure(place, name[:80], "is not known here; send 'key' with the key columns")
        for place, row in enumerate(rows)
        for name in row
        if name != "key"
    ]
    if wrong:
        raise Refusal(422, "invalid_input", str(InvalidInputError(wrong)), fields=wrong)
    with refusing():
        found = results.find([row.get("key") for row in rows])
    if one and found[0] is None:
        raise Refusal(404, "not_found", f"The batch run '{results.run.id}' had no row with this key.")
    return json_answer(found[0] if one else found)


def parsed(request: Request) -> Any:
    """Return the JSON that the body holds."""
    check_json(request)
    try:
        return parse_body(request.body)
    except BodyError as error:
        fields = [InputFailure(None, error.field, str(error))] if error.field else []
        raise Refusal(400, "invalid_json", str(error), fields=fields) from error


def check_json(request: Request) -> None:
    """Refuse a body that is declared as something else than JSON in UTF-8."""
    kind = request.kind or "application/json"
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refusal(415, "unsupported_media_type", f"The body is declared as '{kind[:100]}'. {_JSON_HINT}")
    check_charset(request)


def check_charset(request: Request) -> None:
    """Refuse a body that is declared in another charset than UTF-8."""
    charset = request.header(b"content-type").lower().partition("charset=")[2].split(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise Refusal(415, "unsupported_media_type", f"The body is declared as {charset[:40]}. Send UTF-8.")


def _check_rows(rows: Sequence[Any], most: int) -> None:
    if not rows:
        raise Refusal(422, "invalid_input", "The list is empty. Send at least one record.")
    if len(rows) > most:
        message = f"There are {len(rows):,} rows. Send at most {most:,} at a time, or use 'nbship predict' on a file."
        raise Refusal(413, "too_large", message)
    wrong = [
        InputFailure(position, None, f"is {_kind(row)}, not an object with the model's fields")
        for position, row in enumerate(rows)
        if not isinstance(row, Mapping)
    ]
    if wrong:
        raise Refusal(422, "invalid_input", str(InvalidInputError(wrong)), fields=wrong)


def _kind(value: Any) -> str:
    names = {list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
