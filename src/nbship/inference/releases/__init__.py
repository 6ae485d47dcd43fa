"""Releases of a new version beside the one in production: what splits requests, and what judges the new version."""

from __future__ import annotations

from .canary import Canary
from .follower import ReleaseFollower
from .judge import CanaryJudge, CanaryLimits, CanaryVerdict, Requests
from .release_file import CanaryRelease, Release, ReleasedVersion, package_of, publish_release, read_release
from .watch import CanaryWatch, Observed

__all__ = [
    "Canary",
    "CanaryJudge",
    "CanaryLimits",
    "CanaryRelease",
    "CanaryVerdict",
    "CanaryWatch",
    "Observed",
    "Release",
    "ReleaseFollower",
    "ReleasedVersion",
    "Requests",
    "package_of",
    "publish_release",
    "read_release",
]
