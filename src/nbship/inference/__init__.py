"""Predictors at work: logged, on files, again from the log; and the labels that come back."""

from __future__ import annotations

from .batch import BatchSummary, predict_file
from .databases import is_address, load_table, take_snapshot
from .labels import Told, take_feedback, take_labels
from .lineage import commit_of
from .place import Place, find_place
from .release import Logged, Pending, answers_of, as_json
from .replay import Replay, replay, require_logged
from .results import Results, open_results
from .upkeep import export_records, forget_subject

__all__ = [
    "BatchSummary",
    "Logged",
    "Pending",
    "Place",
    "Replay",
    "Results",
    "Told",
    "answers_of",
    "as_json",
    "commit_of",
    "export_records",
    "find_place",
    "forget_subject",
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
