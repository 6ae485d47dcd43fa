"""Averages of compiled models, with calibration: calibrated classifiers, soft votes and transformed targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from .layers import Layers
from .lookup_tables import Input, Tables
from .nodes import Nodes

__all__ = ["INVERSES", "Blend", "Calibration", "Member"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


# Functions of NumPy that take a transformed target back to the target.
INVERSES = ("exp", "exp2", "expm1", "square", "sinh")


@dataclass(frozen=True)
class Calibration:
    """Calibration curves, from the sums of a model to probabilities, or from its scores to a target.

    Attributes
    ----------
    kind
        "sigmoid": 1 / (1 + exp(a s + b)); a curve holds a and b. "isotonic": linear interpolation between points; a
        curve holds their x values, then their y values. For a target: "scaled", s a + b; "ranged", (s - a) / b; or one
        of `INVERSES`.
    class_indices, curves
        The class of each curve, and its curve.
    classes
        The number of classes; 1 for a target.
    """

    kind: str
    class_indices: tuple[int, ...]
    curves: tuple[Array, ...]
    classes: int

    def check(self) -> None:
        """Check that the curves fit the classes.

        Raises
        ------
        ValueError
            If they do not.
        """
        # The curves of "isotonic" have any even length.
        lengths = {"sigmoid": 2, "isotonic": None, "scaled": 2, "ranged": 2, **dict.fromkeys(INVERSES, 0)}
        if (
            self.kind not in lengths
            or (self.classes == 1) != (self.kind not in ("sigmoid", "isotonic"))
            or not self.curves
        ):
            raise ValueError("its calibration does not fit its classes")
        for index, curve in zip(self.class_indices, self.curves, strict=True):
            known = lengths[self.kind]
            fits = len(curve) == known if known is not None else len(curve) > 0 and len(curve) % 2 == 0
            if not fits or curve.dtype != np.float64 or curve.ndim != 1 or not 0 <= index < self.classes:
                raise ValueError("its calibration does not fit its classes")

    def apply(self, sums: Array) -> Array:
        """Return calibrated probabilities, shape (rows, classes), or targets, shape (rows, 1)."""
        if self.classes == 1:
            return self._target(sums, self.curves[0])
        found = np.zeros((len(sums), self.classes))
        # With two classes there is one curve, for the second class.
        own = sums[:, 1:] if self.classes == 2 and sums.shape[1] == 2 else sums
        for column, (index, curve) in enumerate(zip(self.class_indices, self.curves, strict=True)):
            found[:, index] = self._calibrated(own[:, column], curve)
        if self.classes == 2:
            found[:, 0] = 1.0 - found[:, 1]
        else:
            # Sum over contiguous rows of a transposed copy: along short rows, the order of addition would depend on their
            # number. Without any probability, all classes are equally likely, as in scikit-learn.
            total = np.sum(found.T.copy(), axis=0)[:, None]
            found = np.divide(found, total, out=np.full_like(found, 1 / self.classes), where=total != 0)
        # Rounding may give slightly more than 1; scikit-learn corrects it in the same way.
        found[(found > 1.0) & (found <= 1.0 + 1e-5)] = 1.0
        return found

    def _target(self, scores: Array, curve: Array) -> Array:
        if self.kind == "scaled":
            return np.asarray(scores * curve[0] + curve[1])
        if self.kind == "ranged":
            return np.asarray((scores - curve[0]) / curve[1])
        with np.errstate(over="ignore"):
            return np.asarray(getattr(np, self.kind)(scores))

    def _calibrated(self, sums: Array, curve: Array) -> Array:
        if self.kind == "sigmoid":
            with np.errstate(over="ignore"):
                return np.asarray(1 / (1 + np.exp(curve[0] * sums + curve[1])))
        middle = len(curve) // 2
        return np.asarray(np.interp(sums, curve[:middle], curve[middle:]))


@dataclass(frozen=True)
class Member:
    """One of the averaged models, with its calibration and its weight."""

    tables: Tables | Nodes | Layers | Blend
    calibration: Calibration | None = None
    weight: float = 1.0

    @cached_property
    def score_type(self) -> np.dtype[Any]:
        """The type of the model's scores: float32 for sums of XGBoost."""
        null = [np.array([None if each.is_string else np.nan], object if each.is_string else float) for each in self.tables.inputs]  # fmt: skip
        return self.tables.scores(null).dtype


@dataclass(frozen=True)
class Blend:
    """The weighted mean of the scores of several models, with the interface of `Tables`."""

    members: tuple[Member, ...]

    link = "mean"

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of all members, each with the cuts and categories of all members."""
        found: dict[str, list[Input]] = {}
        for member in self.members:
            for each in member.tables.inputs:
                found.setdefault(each.name, []).append(each)
        return tuple(_merged(each) for each in found.values())

    @property
    def walked_trees(self) -> int:
        """The number of trees that are walked for a row; the others are lookup tables."""
        return sum(each.tables.walked_trees for each in self.members)

    @property
    def compares(self) -> bool:
        """Whether the model only compares numbers and never calculates with them."""
        return all(member.tables.compares for member in self.members)

    @cached_property
    def _input_indices(self) -> list[list[int]]:
        indices = {each.name: index for index, each in enumerate(self.inputs)}
        return [[indices[each.name] for each in member.tables.inputs] for member in self.members]

    def scores(self, columns: Sequence[Array]) -> Array:
        """Return the mean scores, shape (rows, outputs); those of a row do not depend on other rows."""
        return self._mean(
            [
                member.tables.scores([columns[index] for index in taken])
                for member, taken in zip(self.members, self._input_indices, strict=True)
            ]
        )

    def score_row(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row, bit for bit those of `scores`."""
        # The logarithm or exponential of a float32 number is float32: the type decides how a target is rounded.
        scores_of_members = [
            np.array([member.tables.score_row([values[index] for index in taken])], dtype=member.score_type)
            for member, taken in zip(self.members, self._input_indices, strict=True)
        ]
        found: list[float] = self._mean(scores_of_members)[0].tolist()
        return found

    def score_each(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """Return `score_row` of several rows."""
        return [self.score_row(values) for values in rows]

    def _mean(self, scores_of_members: Sequence[Array]) -> Array:
        total: Any = 0.0
        for member, scores in zip(self.members, scores_of_members, strict=True):
            own = scores if member.calibration is None else member.calibration.apply(scores)
            total = total + (own if member.weight == 1.0 else own * member.weight)
        return np.asarray(total / sum(member.weight for member in self.members))


def _merged(inputs: Sequence[Input]) -> Input:
    first = inputs[0]
    if first.cuts is None:
        return Input(first.name, True, known=tuple(sorted({text for each in inputs for text in each.known})))
    cuts = [each.cuts for each in inputs if each.cuts is not None]
    return Input(first.name, False, cuts=np.unique(np.concatenate(cuts)))
