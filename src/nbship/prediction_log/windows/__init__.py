"""Read the predictions of a window with their labels: in parts of bounded size, or as one table."""

from __future__ import annotations

from .parts import Part, Parts, input_column, require_event_time
from .reader import latest_event, predictions

__all__ = ["Part", "Parts", "input_column", "latest_event", "predictions", "require_event_time"]
