"""Schedules: jobs of a project at the times of cron, each run once, on any number of machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

# `guard` runs as a process of its own, for which this module is cheap.
if TYPE_CHECKING:
    from .database import open_database
    from .entries import Claim, Entry
    from .export import FORMATS, Host, export_files
    from .jobs import Job, find_job, jobs_of, with_followers
    from .listing import as_json, as_lines, overview
    from .service import Service
    from .store import Store
    from .times import Times
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "FORMATS",
    "Claim",
    "Entry",
    "Host",
    "Job",
    "Service",
    "Store",
    "Times",
    "as_json",
    "as_lines",
    "export_files",
    "find_job",
    "jobs_of",
    "open_database",
    "overview",
    "with_followers",
]
