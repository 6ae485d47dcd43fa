"""Releases of a new version beside the one in production: what splits requests, and what judges the new version."""

from __future__ import annotations

from .canary import Canary
from .judge import CanaryJudge, CanaryLimits, CanaryVerdict, Requests

__all__ = ["Canary", "CanaryJudge", "CanaryLimits", "CanaryVerdict", "Requests"]
