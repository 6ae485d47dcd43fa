"""Tabular files, read and written by a signature: CSV, JSON Lines, Parquet."""

from __future__ import annotations
