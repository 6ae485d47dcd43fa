"""The pipeline: read, resolve, derive `dvc.yaml`, tell what is stale.

Names are imported at first use: a stage depends on the modules that its notebook really loads.
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
    from .plan import Plan, imports_of, plan_stages, provenance_inputs
    from .platforms import is_here, this_platform
    from .snapshot import recall, remember
    from .spec import COPIES_STAGE, Pipeline, Stage, read_pipeline
    from .staleness import StageStatus, Status, quick_status, read_status, remember_current
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
    "imports_of",
    "index_of",
    "is_here",
    "look_up",
    "plan_stages",
    "provenance_inputs",
    "quick_status",
    "read_libraries",
    "read_pipeline",
    "read_status",
    "recall",
    "remember",
    "remember_current",
    "strip_in_place",
    "sync",
    "this_platform",
    "verify_all",
    "verify_stage",
    "write_copies",
]
