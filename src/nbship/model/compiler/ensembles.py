"""What the compiler compiles: trees whose leaf values are added, or weighted columns, and a link function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Ensemble", "Linear", "Tree"]


@dataclass(frozen=True)
class Tree:
    """A decision tree over the columns of the matrix; values up to the threshold go left.

    Attributes
    ----------
    left, right
        Indices of the children, shape (nodes,); -1 for leaves.
    column, threshold, missing_left
        The test of each inner node.
    values
        The values of each node, shape (nodes, outputs).
    sets
        For each node with a categorical split: whether each category from 0 goes left, and whether it is known.
    """

    left: Any
    right: Any
    column: Any
    threshold: Any
    missing_left: Any
    values: Any
    sets: Mapping[int, tuple[Any, Any]] = field(default_factory=dict)

    def goes_left(self, node: int, values: Any) -> Any:
        """Return whether each value of the column of a node goes left."""
        missing = np.isnan(values)
        if node in self.sets:
            left, known = self.sets[node]
            missing |= (values < 0) | (values >= len(left))
            number = np.where(missing, 0, values).astype(np.int64)
            missing |= ~known[number]
            return np.where(missing, self.missing_left[node], left[number])
        return np.where(missing, self.missing_left[node], values <= self.threshold[node])


@dataclass(frozen=True)
class Ensemble:
    """Trees whose values are added in order.

    Attributes
    ----------
    trees
        The trees, each with the output that it adds to; None: it has a value for each output.
    base
        The initial value of the sums, shape (outputs,).
    narrow
        Whether columns are rounded to float32 before the tests.
    link, divisor
        The function from sums to scores; see `backends.links`.
    """

    trees: Sequence[tuple[Tree, int | None]]
    base: Any
    narrow: bool
    link: str = "identity"
    divisor: float = 1.0


@dataclass(frozen=True)
class Linear:
    """Weighted columns: `weights` of shape (outputs, columns), `base` of shape (outputs,)."""

    weights: Any
    base: Any
    link: str = "identity"
