"""The pipeline: read, resolve, derive `dvc.yaml`, tell what is stale."""

from __future__ import annotations

from .dvc import derive, render, verify_stage
from .plan import Plan, plan_stages, provenance_inputs
from .spec import COPIES_STAGE, Pipeline, Stage, read_pipeline
from .strip import write_copies
from .sync import SyncResult, check_current, sync

__all__ = [
    "COPIES_STAGE",
    "Pipeline",
    "Plan",
    "Stage",
    "SyncResult",
    "check_current",
    "derive",
    "plan_stages",
    "provenance_inputs",
    "read_pipeline",
    "render",
    "sync",
    "verify_stage",
    "write_copies",
]
