"""Predictors at work: logged, on files, again from the log; and the labels that come back."""

from __future__ import annotations

from .batch import BatchSummary, is_address, load_table, predict_file, take_snapshot
from .deployment import Place, find_place
from .feedback import Told, take_feedback, take_labels
from .logged import Logged, Pending, answers_of
from .releases import Canary
from .replays import Replay, replay, require_logged
from .results import Results, open_results

__all__ = [
    "BatchSummary",
    "Canary",
    "Logged",
    "Pending",
    "Place",
    "Replay",
    "Results",
    "Told",
    "answers_of",
    "find_place",
    "is_address",
    "load_table",
    "open_results",
    "predict_file",
    "replay",
    "require_logged",
    "take_feedback",
    "take_labels",
    "take_snapshot",
]
