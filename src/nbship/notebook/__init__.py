"""For notebooks: the files, parameters and settings of the stage, and functions that write results.

::

    from nbship import notebook
    stage = notebook.open_stage("train")
    frame = pandas.read_parquet(stage.upstream["prepare"]["data"])
    stage.metrics({"auc": 0.71})

The same cells run in the pipeline, under bare Ploomber and by hand; by hand they read the pipeline's
last products and write to `.nbship/scratch/`.
"""

from __future__ import annotations

from .environment import PINNED, pin
from .origin import Context, Origin
from .results import canonical_json
from .stage import OpenStage, open_stage

__all__ = ["PINNED", "Context", "OpenStage", "Origin", "canonical_json", "open_stage", "pin"]
