"""Batch prediction: files and databases in, predictions out; a stopped run resumes."""

from __future__ import annotations

from .databases import is_address, load_table, take_snapshot
from .run import BatchSummary, predict_file

__all__ = ["BatchSummary", "is_address", "load_table", "predict_file", "take_snapshot"]
