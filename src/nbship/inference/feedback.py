"""Import labels, by prediction id or by key columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EmptyDataError, InputFailure, InvalidInputError, LogError, SchemaError
from ..model.signature import Field, Signature, read_timestamp
from ..prediction_log import BatchRun, Label, PredictionLog, as_json, batch_keys, keys_of, keys_of_frame, split_id
from ..tabular import Source, read_chunks, read_column_names
from ..text import counted, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelCounts", "import_labels", "store_feedback", "wrong_key"]

# Labels of a file are stored in parts, so that no transaction takes long.
_ROWS = 1000
_FEEDBACK = ("id", "key", "label", "time")


@dataclass(frozen=True)
class LabelCounts:
    """The result of importing labels.

    Attributes
    ----------
    accepted
        The number of labels.
    matched
        The number of labels whose prediction is in the log.
    known
        The number of labels that were already in the log, unchanged, as the latest of their prediction.
    """

    accepted: int
    matched: int
    known: int = 0

    @property
    def unmatched(self) -> int:
        """The number of labels without a prediction; a prediction logged later still gets its label."""
        return self.accepted - self.matched

    def require_matched(self) -> None:
        """Raise LogError if no label has a prediction: the file is most likely of another model or of other keys."""
        if not self.matched:
            raise LogError(
                f"0 of {counted(self.accepted, 'label')} {plural(self.accepted, 'matches', 'match')} a logged prediction. They are stored, in case their predictions are logged later. Compare the key columns, or prediction_id, with the output of `nbship predict`."
            )


def store_feedback(log: PredictionLog, rows: Sequence[Mapping[str, Any]], *, signature: Signature) -> LabelCounts:
    """Store labels from a REST request: `{"id" | "key", "label", "time"}`.

    Raises
    ------
    InvalidInputError
        If a label is invalid, or its id is not in the log; no label is stored then.
    """
    failures: list[InputFailure] = []
    labels = []
    for position, row in enumerate(rows):
        wrong = list(_wrong(row, signature, log))
        failures += [InputFailure(position, field, reason) for field, reason in wrong]
        if not wrong:
            labels.append(_label(row, signature, log))
    if failures:
        raise InvalidInputError(failures)
    logged = _logged_keys(labels, log, signature)
    matched = sum(label.keys is None or label.keys in logged for label in labels)
    log.append(*labels)
    return LabelCounts(accepted=len(labels), matched=matched)


def _label(row: Mapping[str, Any], signature: Signature, log: PredictionLog) -> Label:
    time = row.get("time")
    return Label(
        label=as_json(row["label"]),
        at=datetime.now(UTC),
        prediction_id=row.get("id"),
        keys=keys_of(row["key"], signature, salt=log.salt) if row.get("id") is None else None,
        time=None if time is None else read_timestamp(time, Field("time", "datetime")),
        model=log.model,
    )


def _logged_keys(labels: Sequence[Label], log: PredictionLog, signature: Signature) -> set[str]:
    """Return the keys of labels that a record or a row of a batch run has."""
    keys = {label.keys for label in labels if label.keys is not None}
    known = log.known_keys(keys)
    return known | batch_keys(log, signature, keys - known)


def _wrong(row: Mapping[str, Any], signature: Signature, log: PredictionLog) -> Iterator[tuple[str | None, str]]:
    for name in row:
        if name not in _FEEDBACK:
            yield name[:80], "is unknown; the fields are id, key, label and time"
    if (row.get("id") is None) == (row.get("key") is None):
        yield None, "needs either the field 'id' or the field 'key'"
    elif row.get("id") is not None:
        if not isinstance(row["id"], str) or not _known([row["id"]], log):
            yield "id", "is not in the prediction log"
    else:
        yield from wrong_key(row["key"], signature)
    if row.get("label") is None:
        yield "label", "is missing"
    elif (reason := _wrong_label(row["label"], signature)) is not None:
        yield "label", reason
    if row.get("time") is not None:
        yield from _wrong_time(row["time"], "time", Field("time", "datetime"))


def _known(ids: Iterable[str], log: PredictionLog) -> set[str]:
    wanted = set(ids)
    rows = {id: parts for id in wanted if (parts := split_id(id)) is not None}
    sizes = {run: _size(log.batch(run)) for run in {parts[0] for parts in rows.values()}}
    return log.known(wanted - rows.keys()) | {id for id, (run, number) in rows.items() if number < sizes[run]}


def _size(runs: Sequence[BatchRun]) -> int:
    return max((run.rows + run.rejected for run in runs), default=0)


def wrong_key(key: Any, signature: Signature) -> Iterator[tuple[str, str]]:
    """Yield field and reason of everything that is invalid in an object of key columns."""
    if not signature.keys:
        yield "key", "is not supported, because the model has no key columns; send id"
    elif not isinstance(key, Mapping):
        yield "key", f"is not an object with the fields {', '.join(signature.keys)}"
    else:
        for name in signature.keys:
            if name not in key:
                yield f"key.{name}", "is missing"
            elif (reason := _wrong_value(key[name], signature[name])) is not None:
                yield f"key.{name}", reason
        for name in key:
            if name not in signature.keys:
                yield f"key.{name[:80]}", f"is not a key column; the key columns are {', '.join(signature.keys)}"


def _wrong_value(value: Any, field: Field) -> str | None:
    if value is None:
        return None if field.nullable else "is null"
    if field.dtype == "datetime":
        return next((reason for _, reason in _wrong_time(value, field.name, field)), None)
    kinds: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float)}
    allowed = kinds.get(field.dtype, (str,))
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        return f"is not of type {field.dtype}"
    if isinstance(value, int) and abs(value) >= 2**63:
        return "is too large"
    return None


def _wrong_time(value: Any, name: str, field: Field) -> Iterator[tuple[str, str]]:
    try:
        if not isinstance(value, str):
            raise ValueError("is not a string in ISO 8601")
        read_timestamp(value, field)
    except (ValueError, OverflowError) as error:
        yield name, str(error)


def _wrong_label(label: Any, signature: Signature) -> str | None:
    output = signature.output("label")
    if output is not None and output.classes:
        if not any(type(label) is type(known) and label == known for known in output.classes):
            return f"is not one of {', '.join(as_json(known) for known in output.classes[:20])}"
        return None
    number = isinstance(label, (int, float)) and not isinstance(label, bool)
    return None if number else "is not a number"


def import_labels(log: PredictionLog, source: Source | Path, *, signature: Signature) -> LabelCounts:
    """Store the labels of files with the columns `label`, `prediction_id` or key columns, and `time`.

    `time` is optional.

    Raises
    ------
    SchemaError
        If a column is missing.
    InvalidInputError
        If a value is invalid; no label is stored then.
    """
    source = source if isinstance(source, Source) else Source(source)
    fields = _fields(read_column_names(source), source.path, signature)
    labels: list[Label] = []
    failures: list[InputFailure] = []
    for chunk in read_chunks(source, fields):
        failures += chunk.failures
        failures += _wrong_labels(chunk.frame, signature)
        if not failures:
            labels += _labels(chunk.frame, signature, log)
    if failures:
        raise InvalidInputError(failures)
    if not labels:
        raise EmptyDataError(f"'{source.path}' has no rows. Give a file with labels.")
    parts = [_store(labels[n : n + _ROWS], log, signature) for n in range(0, len(labels), _ROWS)]
    return LabelCounts(*(sum(each) for each in zip(*map(astuple, parts), strict=True)))


def _store(labels: Sequence[Label], log: PredictionLog, signature: Signature) -> LabelCounts:
    # A label is new if it differs from the latest one: importing a file twice stores its labels once.
    stored = log.labels_of(
        [label.prediction_id for label in labels if label.prediction_id],
        [label.keys for label in labels if label.keys],
    )
    newest = {_name(label): (label.label, label.time) for label in stored}
    new = [label for label in labels if newest.get(_name(label)) != (label.label, label.time)]
    logged = _logged_keys(labels, log, signature)
    logged |= _known((label.prediction_id for label in labels if label.prediction_id), log)
    matched = sum(_name(label) in logged for label in labels)
    if new:
        log.append(*new)
    return LabelCounts(accepted=len(labels), matched=matched, known=len(labels) - len(new))


def _name(label: Label) -> str:
    return label.prediction_id or label.keys or ""


def _fields(names: Sequence[str], path: Path, signature: Signature) -> list[Field]:
    if "label" not in names:
        raise SchemaError(
            f"'{path}' has no column 'label'. It needs 'label' and either 'prediction_id' or the key columns; 'time' is optional."
        )
    missing = [name for name in signature.keys if name not in names]
    if "prediction_id" in names:
        names_prediction = [Field("prediction_id", "string")]
    elif not signature.keys:
        raise SchemaError(f"'{path}' lacks the column 'prediction_id'. Add it.")
    elif missing:
        columns = "column" if len(missing) == 1 else "columns"
        listed = ", ".join(f"'{name}'" for name in missing)
        raise SchemaError(f"'{path}' lacks the key {columns} {listed}. Add them, or the column 'prediction_id'.")
    else:
        names_prediction = [signature[name] for name in signature.keys]
    output = signature.output("label") or signature.output("value")
    if output is None:
        raise LogError(
            "The model's signature has neither a label nor a value, so labels cannot be compared with its outputs. Add such an output to the signature."
        )
    zone = signature[signature.event_time].timezone if signature.event_time else None
    dtype = "string" if output.dtype == "category" else output.dtype
    return [*names_prediction, Field("label", dtype), Field("time", "datetime", nullable=True, timezone=zone or "UTC")]


def _wrong_labels(frame: pd.DataFrame, signature: Signature) -> list[InputFailure]:
    values = frame["label"].tolist()
    wrong = {value: reason for value in set(values) if (reason := _wrong_label(value, signature)) is not None}
    if not wrong:
        return []
    return [
        InputFailure(row, "label", wrong[value])
        for row, value in zip(frame.index, values, strict=True)
        if value in wrong
    ]


def _labels(frame: pd.DataFrame, signature: Signature, log: PredictionLog) -> list[Label]:
    now = datetime.now(UTC)
    by_id = "prediction_id" in frame
    ids = frame["prediction_id"].tolist() if by_id else [None] * len(frame)
    keys = [None] * len(frame) if by_id else keys_of_frame(frame, signature, salt=log.salt)
    times = frame["time"].tolist() if "time" in frame else [None] * len(frame)
    return [
        Label(
            label=as_json(label),
            at=now,
            prediction_id=id,
            keys=key,
            time=None if time is None or time != time else time.to_pydatetime(),
            model=log.model,
        )
        for id, key, label, time in zip(ids, keys, frame["label"].tolist(), times, strict=True)
    ]
