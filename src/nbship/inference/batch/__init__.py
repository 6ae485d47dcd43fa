"""Batch prediction: files and databases in, predictions out; a stopped run resumes."""

from __future__ import annotations

from .databases import is_database_url, load_table, save_query
from .kept_files import forget_rows, personal_keys, remove_files
from .own_files import OwnFiles
from .run import BatchSummary, predict_file

__all__ = [
    "BatchSummary",
    "OwnFiles",
    "forget_rows",
    "is_database_url",
    "load_table",
    "personal_keys",
    "predict_file",
    "remove_files",
    "save_query",
]
