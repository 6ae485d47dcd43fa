"""The gate: may this model be released? One function judges a candidate by its rows, by a baseline and by production.

::

    from nbship import gate
    report = gate.judge(estimator, train=train, holdout=holdout, label="sold", signature=signature, production="models/production")
    stage.write_json("verdict", report.verdict())
"""

from __future__ import annotations

from .checks import Check, at_least, at_most
from .expectations import expectation_problems
from .judgement import judge
from .limits import Limits
from .plots import plot_differences, plot_gains, plot_slices
from .report import Report
from .rounds import time_rounds

__all__ = [
    "Check",
    "Limits",
    "Report",
    "at_least",
    "at_most",
    "expectation_problems",
    "judge",
    "plot_differences",
    "plot_gains",
    "plot_slices",
    "time_rounds",
]
