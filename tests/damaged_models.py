"""Compiled models that are a little wrong, in the four ways in which a converter goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nbship.model.backends import Input, Nodes, Tables

__all__ = ["DAMAGES", "forgetful"]


def rounded(made: Any) -> Any:
    """Round the ends of bins to float32, as other converters do."""
    return _with_cuts(made, lambda cuts: np.sort(cuts.astype(np.float32).astype(np.float64)))


def one_off(made: Any) -> Any:
    """Send values equal to a threshold to the right."""
    return _with_cuts(made, lambda cuts: np.nextafter(cuts, -np.inf))


def blind(made: Any) -> Any:
    """Treat missing numbers as large ones."""
    return _with_bin(made, lambda each: None if each.cuts is None else (each.bins - 1, each.bins - 2))


def forgetful(made: Any) -> Any:
    """Treat unknown strings as the first known string."""
    return _with_bin(made, lambda each: (each.bins - 2, 0) if each.name == "town" else None)


DAMAGES = (rounded, one_off, blind, forgetful)


def _with_cuts(made: Any, change: Callable[[Any], Any]) -> Any:
    inputs = [each if each.cuts is None else replace(each, cuts=change(each.cuts)) for each in made.inputs]
    return replace(made, inputs=tuple(inputs))


def _with_bin(made: Tables | Nodes, choose: Callable[[Input], tuple[int, int] | None]) -> Any:
    """Give a bin of each chosen input what another bin has."""
    ends = np.cumsum([each.bins for each in made.inputs]).tolist()
    entries = list(made.ranks) if isinstance(made, Nodes) else np.split(made.leaves, ends[:-1])
    for number, each in enumerate(made.inputs):
        if (bins := choose(each)) is not None:
            entries[number] = entries[number].copy()
            entries[number][bins[0]] = entries[number][bins[1]]
    if isinstance(made, Nodes):
        return replace(made, ranks=tuple(entries))
    return replace(made, leaves=np.concatenate(entries))
