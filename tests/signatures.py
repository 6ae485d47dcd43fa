"""A signature with one field of each kind."""

from __future__ import annotations

from nbship.model.signature import Field, Output, Signature

SIGNATURE = Signature(
    inputs=(
        Field("at", "datetime", key=True, timezone="America/New_York", title="When"),
        Field("sent", "datetime", nullable=True),
        Field("line", "category", categories=("a", "b"), key=True, title="Line", help="Which line."),
        Field("kind", "category", categories=("x", "y"), open=True, nullable=True),
        Field("size", "int", minimum=1, maximum=9, example=3),
        Field("weight", "float", nullable=True, optional=True, lookup="scale", unit="kg", minimum=0.0, maximum=5.0),
        Field("note", "string", nullable=True),
        Field("new", "bool"),
    ),
    outputs=(
        Output("late", "bool", "label", classes=(False, True)),
        Output("risk", "float", "probability", positive=True, title="Risk of <loss>"),
    ),
    event_time="at",
)
EXAMPLE = {
    "at": "2024-07-01T08:00:00-04:00", "sent": None, "line": "a", "kind": "x", "size": 3, "note": None, "new": True,
}  # fmt: skip
PREDICTION = {"id": "1", "model": "m", "version": "0123456789ab", "label": True, "probability": 0.5}
