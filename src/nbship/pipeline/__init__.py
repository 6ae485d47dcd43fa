"""The pipeline: read, resolve, derive `dvc.yaml`, tell what is stale.

Only what notebooks need is imported here: a stage depends on every module that importing this package
loads. The rest is in its modules: `dvc`, `strip`, `sync`, `checks`, `status`, `merge`.
"""

from __future__ import annotations

from .plan import Plan, plan_stages, provenance_inputs
from .spec import COPIES_STAGE, Pipeline, Stage, read_pipeline

__all__ = [
    "COPIES_STAGE",
    "Pipeline",
    "Plan",
    "Stage",
    "plan_stages",
    "provenance_inputs",
    "read_pipeline",
]
