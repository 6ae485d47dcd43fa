"""The pipeline: read it, resolve dependencies, derive `dvc.yaml`, find stale stages.

Names are imported at first use, because a stage depends on every module that its notebook loads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .checks import find_problems, fix_parameters
    from .copies import write_copies
    from .declarations import declare
    from .dvc_yaml import derive, verify_all, verify_stage
    from .file_index import index_of
    from .graph import ancestors
    from .libraries import LIBRARIES, LOCK, read_libraries
    from .placeholders import look_up
    from .plan import Plan, library_imports, plan_stages, provenance_inputs
    from .platforms import is_here, this_platform
    from .snapshot import read_snapshot, write_snapshot
    from .spec import COPIES_STAGE, Pipeline, Stage, read_pipeline
    from .staleness import StageStatus, Status, quick_status, read_status, write_snapshot_if_current
    from .synchronization import check_current, strip_in_place, sync
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "COPIES_STAGE",
    "LIBRARIES",
    "LOCK",
    "Pipeline",
    "Plan",
    "Stage",
    "StageStatus",
    "Status",
    "ancestors",
    "check_current",
    "declare",
    "derive",
    "find_problems",
    "fix_parameters",
    "index_of",
    "is_here",
    "library_imports",
    "look_up",
    "plan_stages",
    "provenance_inputs",
    "quick_status",
    "read_libraries",
    "read_pipeline",
    "read_snapshot",
    "read_status",
    "strip_in_place",
    "sync",
    "this_platform",
    "verify_all",
    "verify_stage",
    "write_copies",
    "write_snapshot",
    "write_snapshot_if_current",
]
