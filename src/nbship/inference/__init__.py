"""Logged predictions, batch runs, replays, canary releases, and labels."""

from __future__ import annotations

from .batch import BatchSummary, OwnFiles, is_database_url, load_table, personal_keys, predict_file, save_query
from .dataplane import accept_feedback, find_results, start_prediction
from .deployment import Deployment, find_deployment
from .feedback import LabelCounts, import_labels, store_feedback
from .forgetting import forget_person, prune_before
from .logged import Logged, output_records
from .pending import PendingPredictions, predict_together
from .releases import (
    Canary,
    CanaryJudge,
    CanaryLimits,
    CanaryVerdict,
    Release,
    ReleaseFollower,
    Requests,
    publish_release,
    read_release,
)
from .replays import Replay, find_logged, replay
from .results import Results, open_results

__all__ = [
    "BatchSummary",
    "Canary",
    "CanaryJudge",
    "CanaryLimits",
    "CanaryVerdict",
    "Deployment",
    "LabelCounts",
    "Logged",
    "OwnFiles",
    "PendingPredictions",
    "Release",
    "ReleaseFollower",
    "Replay",
    "Requests",
    "Results",
    "accept_feedback",
    "find_deployment",
    "find_logged",
    "find_results",
    "forget_person",
    "import_labels",
    "is_database_url",
    "load_table",
    "open_results",
    "output_records",
    "personal_keys",
    "predict_file",
    "predict_together",
    "prune_before",
    "publish_release",
    "read_release",
    "replay",
    "save_query",
    "start_prediction",
    "store_feedback",
]
