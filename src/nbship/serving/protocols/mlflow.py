"""MLflow's scoring protocol: `/invocations`, in all formats of its body."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import dropwhile
from typing import Any

from ...errors import InputFailure, RequestError
from ...inference import Logged, PendingPredictions
from ...model.signature import Signature
from ...tabular import parse_csv_value
from ...text import counted
from ..http import PendingResponse, Request, Response, json_response
from .native import begin, check_charset, read_json

__all__ = ["invoke"]

_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def invoke(request: Request, served: Logged, *, most_rows: int) -> PendingResponse:
    """Predict for a data frame or tensors from an MLflow client."""
    if request.kind == "text/csv":
        rows = _from_csv(request, served.signature, most_rows)
    else:
        rows = _from_json(read_json(request), served.signature)
    pending = begin(request, served, rows, most_rows=most_rows)
    return PendingResponse(pending, partial(_respond, pending))


def _respond(pending: PendingPredictions) -> Response:
    pending.check()
    responses = pending.responses()
    predictions = [{"prediction_id": row.pop("id"), **row} for row in responses]
    return json_response({"predictions": predictions})


def _from_json(content: Any, signature: Signature) -> Sequence[Any]:
    form = [name for name in _FORMS if name in content] if isinstance(content, Mapping) else []
    if len(form) != 1:
        raise _invalid(None, f"must have exactly one of {', '.join(_FORMS)}")
    known = {form[0], "params"}
    for name in content:
        if name not in known:
            raise _invalid(str(name)[:80], f"is not allowed next to '{form[0]}'")
    if content.get("params"):
        raise _invalid("params", "must be empty: the model has no parameters")
    data = content[form[0]]
    if form[0] == "dataframe_split":
        return _from_split(data)
    if form[0] == "dataframe_records":
        if not isinstance(data, list):
            raise _invalid(form[0], "is not a list of records")
        return data
    return _from_tensors(data, signature, form[0])


def _from_split(data: Any) -> Sequence[Any]:
    columns, rows = (data.get("columns"), data.get("data")) if isinstance(data, Mapping) else (None, None)
    if (
        not isinstance(columns, list)
        or not all(isinstance(name, str) for name in columns)
        or not isinstance(rows, list)
    ):
        raise _invalid("dataframe_split", "is not an object with 'columns' and 'data'")
    if len(set(columns)) < len(columns):
        raise _invalid("dataframe_split", "has duplicate columns")
    return [_record(row, columns, position) for position, row in enumerate(rows)]


def _record(row: Any, columns: Sequence[str], position: int) -> dict[str, Any]:
    if not isinstance(row, list) or len(row) != len(columns):
        reason = f"is not a list of {len(columns)} values: {', '.join(columns)[:200]}"
        raise RequestError("invalid_input", f"Row {position} {reason}.", fields=[InputFailure(position, None, reason)])
    return dict(zip(columns, row, strict=True))


def _from_tensors(data: Any, signature: Signature, form: str) -> Sequence[Any]:
    """Return the rows of TensorFlow Serving's formats: records, lists in field order, or one list for each field."""
    if isinstance(data, Mapping):
        lists = {name: _column(values) for name, values in data.items()}
        if (
            any(values is None for values in lists.values())
            or len({len(values or ()) for values in lists.values()}) != 1
        ):
            raise _invalid(form, "is not an object with lists of equal length, one for each field")
        return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    if not isinstance(data, list):
        raise _invalid(form, "is neither a list of rows nor an object with one list for each field")
    names = signature.names
    return [_record(row, names, position) if isinstance(row, list) else row for position, row in enumerate(data)]


def _column(values: Any) -> list[Any] | None:
    if not isinstance(values, list):
        return None
    # A tensor of the shape (rows, 1) comes as [[1], [2]].
    one_each = values and all(isinstance(value, list) and len(value) == 1 for value in values)
    return [value[0] for value in values] if one_each else values


def _from_csv(request: Request, signature: Signature, most_rows: int) -> Sequence[Any]:
    check_charset(request)
    try:
        text = request.body.decode("utf-8-sig")
        table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError("invalid_csv", f"The body is not CSV in UTF-8: {error}.") from error
    # Blank lines above the header, as in files.
    table = [*dropwhile(lambda row: not any(map(str.strip, row)), table)]
    if not table:
        raise RequestError("invalid_csv", "The body is empty. Send a header line with column names, then the rows.")
    columns, rows = table[0], [row for row in table[1:] if row]
    if len(columns) == 1 and (other := next((each for each in ";\t|" if each in columns[0]), None)):
        raise RequestError("invalid_csv", f"The values are separated by {other!r}. Separate them by commas.")
    if len(set(columns)) < len(columns):
        raise _invalid(None, "has duplicate columns")
    failures: list[InputFailure] = []
    found = []
    for position, row in enumerate(rows[: most_rows + 1]):
        record = _record(row, columns, position)
        for name in columns:
            if name in signature.names and signature[name].dtype == "datetime":
                # Keep the string: a timestamp without offset is read as in a file, in the field's time zone.
                record[name] = record[name].strip() or None
            elif name in signature.names:
                record[name], reason = parse_csv_value(record[name], signature[name])
                if reason is not None:
                    failures.append(InputFailure(position, name, reason))
        found.append(record)
    if failures:
        request.rows, request.invalid_field = len(found), failures[0].field
        raise RequestError(
            "invalid_input",
            f"{counted(len(failures), 'value')} cannot be read. See 'fields' for each.",
            fields=failures,
        )
    return found


def _invalid(field: str | None, reason: str) -> RequestError:
    subject = "The body" if field is None else f"'{field}'"
    return RequestError("invalid_input", f"{subject} {reason}.", fields=[InputFailure(None, field, reason)])
