"""Run notebooks as stages: the same inputs give the same bytes."""

from __future__ import annotations

from .kernels.execute import Executed, Failure, Usage, execute

__all__ = ["Executed", "Failure", "Usage", "execute"]
