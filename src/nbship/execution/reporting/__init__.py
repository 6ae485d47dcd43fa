"""What a run shows and keeps: progress, reports, run records and their history."""

from __future__ import annotations
