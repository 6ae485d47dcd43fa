"""Compiled models that are averaged, each calibrated before: calibrated classifiers, soft votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from .lookup_tables import Input, Tables

__all__ = ["Blend", "Calibration", "Member"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@dataclass(frozen=True)
class Calibration:
    """Curves from a model's sums to probabilities.

    Attributes
    ----------
    kind
        "sigmoid": 1 / (1 + exp(a s + b)), a curve holding a and b. "isotonic": straight lines between points, a curve
        holding their abscissas, then their ordinates.
    places, curves
        Of which classes the curves are.
    classes
        How many classes there are.
    """

    kind: str
    places: tuple[int, ...]
    curves: tuple[Array, ...]
    classes: int

    def apply(self, sums: Array) -> Array:
        """Return the probabilities of sums, shape (rows, classes)."""
        found = np.zeros((len(sums), self.classes))
        # A classifier of two classes tells of the second alone.
        own = sums[:, 1:] if self.classes == 2 and sums.shape[1] == 2 else sums
        for column, (place, curve) in enumerate(zip(self.places, self.curves, strict=True)):
            found[:, place] = self._calibrated(own[:, column], curve)
        if self.classes == 2:
            found[:, 0] = 1.0 - found[:, 1]
        else:
            total = np.sum(found.T.copy(), axis=0)[:, None]
            found = np.divide(found, total, out=np.full_like(found, 1 / self.classes), where=total != 0)
        found[(found > 1.0) & (found <= 1.0 + 1e-5)] = 1.0
        return found

    def _calibrated(self, sums: Array, curve: Array) -> Array:
        if self.kind == "sigmoid":
            with np.errstate(over="ignore"):
                return np.asarray(1 / (1 + np.exp(curve[0] * sums + curve[1])))
        middle = len(curve) // 2
        return np.asarray(np.interp(sums, curve[:middle], curve[middle:]))


@dataclass(frozen=True)
class Member:
    """One of the models, the curves that calibrate it, and what it weighs."""

    tables: Tables | Blend
    calibration: Calibration | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Blend:
    """The weighted mean of members' scores; it answers as `Tables` do."""

    members: tuple[Member, ...]

    link = "mean"

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of all members, each with the bins that any of them tells apart."""
        found: dict[str, list[Input]] = {}
        for member in self.members:
            for each in member.tables.inputs:
                found.setdefault(each.name, []).append(each)
        return tuple(_merged(each) for each in found.values())

    @property
    def compares(self) -> bool:
        """Whether numbers are only compared, and never computed with."""
        return all(member.tables.compares for member in self.members)

    @cached_property
    def _taken(self) -> list[list[int]]:
        places = {each.name: place for place, each in enumerate(self.inputs)}
        return [[places[each.name] for each in member.tables.inputs] for member in self.members]

    def scores(self, columns: Sequence[Array]) -> Array:
        """Return the mean scores, shape (rows, outputs); a row's do not depend on the rows beside it."""
        return self._mean(
            [
                member.tables.scores([columns[place] for place in taken])
                for member, taken in zip(self.members, self._taken, strict=True)
            ]
        )

    def single(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row, to the bit those of `scores`."""
        told = [
            np.array([member.tables.single([values[place] for place in taken])])
            for member, taken in zip(self.members, self._taken, strict=True)
        ]
        found: list[float] = self._mean(told)[0].tolist()
        return found

    def _mean(self, told: Sequence[Array]) -> Array:
        total: Any = 0.0
        for member, scores in zip(self.members, told, strict=True):
            own = scores if member.calibration is None else member.calibration.apply(scores)
            total = total + (own if member.weight == 1.0 else own * member.weight)
        return np.asarray(total / sum(member.weight for member in self.members))


def _merged(inputs: Sequence[Input]) -> Input:
    first = inputs[0]
    if first.cuts is None:
        return Input(first.name, True, known=tuple(sorted({text for each in inputs for text in each.known})))
    cuts = [each.cuts for each in inputs if each.cuts is not None]
    return Input(first.name, False, cuts=np.unique(np.concatenate(cuts)))
