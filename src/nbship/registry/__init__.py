"""The registry of models: versions and aliases as tags of Git in GTO's format, packages in DVC's cache and remote.

::

    registry = open_registry(project)
    registry.find("late#production")          the version that an alias leads to
    register(project, why="June too")         the package of HEAD becomes late@v1.1.0
    promote(project, "late@v1.1.0", why="…")  late#production#4
    fetch_version(project, registry.git, version, folder)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .approvals import approvers_of, check_approved
    from .comparison import Comparison, Difference, compare_versions, describe_version
    from .contents import fetch_version, read_version
    from .history import PRODUCTION, Assignment, Event, History, Version
    from .locating import Located, locate, locate_digest
    from .mlflow_mirror import mirror
    from .pins import Pin, behind_pins, is_behind, pin, pin_path, read_pin
    from .promotion import archive, promote, roll_back
    from .publishing import Published
    from .query import search_versions
    from .records import Approval, GateReport, PackageRecord, Record
    from .registration import describe_gate, register
    from .registry import Registry, open_registry
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "PRODUCTION",
    "Approval",
    "Assignment",
    "Comparison",
    "Difference",
    "Event",
    "GateReport",
    "History",
    "Located",
    "PackageRecord",
    "Pin",
    "Published",
    "Record",
    "Registry",
    "Version",
    "approvers_of",
    "archive",
    "behind_pins",
    "check_approved",
    "compare_versions",
    "describe_gate",
    "describe_version",
    "fetch_version",
    "is_behind",
    "locate",
    "locate_digest",
    "mirror",
    "open_registry",
    "pin",
    "pin_path",
    "promote",
    "read_pin",
    "read_version",
    "register",
    "roll_back",
    "search_versions",
]
