"""Batch prediction: files and databases in, predictions out, in parts that survive a kill."""

from __future__ import annotations
