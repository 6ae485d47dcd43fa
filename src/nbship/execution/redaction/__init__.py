"""Secrets, taken out of outputs, tracebacks and reports."""

from __future__ import annotations
