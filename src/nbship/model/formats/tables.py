"""Models compiled to tables: numbers and texts in, scores out, with NumPy alone.

Each input is cut into bins between which no test of any tree tells a difference. For each bin, a table holds
for every tree the set of leaves that the input does not rule out, as bits; the AND over the inputs leaves one
bit a tree, the leaf. (The idea is QuickScorer's, Lucchese et al., SIGIR 2015; here the bins' sets are exact,
so that no order of leaves is needed.) A linear model adds a weight and a table entry an input.
"""

from __future__ import annotations

import io
import json
import zipfile
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ...errors import CorruptPackageError
from ..archive import write_zip

__all__ = ["Input", "Tables", "dump_tables", "load_tables"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

FORMAT = 1
_BLOCK_BYTES = 1 << 18
# Bytes of a word -> the exponent of a half, one less than that of the lowest bit.
_NONE = {4: 126, 8: 1022}
# Exponentials of larger numbers may overflow, which is no fault, but warns.
_FAR = 700.0


@dataclass(frozen=True)
class Input:
    """One input: a field, or a feature of the project's function.

    Attributes
    ----------
    name, text
        Whether it holds text; else numbers, where null is NaN.
    known
        Of text: the values with a bin of their own, in the order of the bins. The next bin is for others, the last for null.
    cuts
        Of numbers: upper ends of the bins, ascending. After them come a bin for larger numbers, and one for NaN.
    """

    name: str
    text: bool
    known: tuple[str, ...] = ()
    cuts: Array | None = None

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return (len(self.known) if self.cuts is None else len(self.cuts)) + 2


@dataclass(frozen=True)
class Tables:
    """A compiled model.

    Attributes
    ----------
    inputs
        In the order in which `scores` takes them; their bins follow each other in the tables.
    base
        What each output's sum starts from, shape (outputs,).
    link, divisor
        What is done to the sums: they are divided, then "identity", "exp", "expit", "expit of twice", "softmax",
        or "decision" (1 for the class with the largest sum, 0 for others; of one sum, its sign).
    leaves, values, outputs
        Of trees: leaf sets, shape (bins, words), and values, shape (words, bits + 1, outputs or 1); the first is that of
        no leaf. `outputs`: word -> output that it adds to, -1 for all.
    weights, centres, additions
        Of linear models: shape (inputs, outputs), (inputs,), (bins, outputs).
    """

    inputs: tuple[Input, ...]
    base: Array
    link: str
    divisor: float = 1.0
    leaves: Array | None = None
    values: Array | None = None
    outputs: Array | None = None
    weights: Array | None = None
    centres: Array | None = None
    additions: Array | None = None

    def __post_init__(self) -> None:
        starts = np.cumsum([0, *(each.bins for each in self.inputs)])[:-1]
        object.__setattr__(self, "_starts", starts.tolist())
        object.__setattr__(self, "_codes", [_codes(each) for each in self.inputs])
        single = [_single(each, start) for each, start in zip(self.inputs, starts.tolist(), strict=True)]
        object.__setattr__(self, "_single", single)
        if self.leaves is not None:
            object.__setattr__(self, "_groups", self._grouped())

    def bins(self, columns: Sequence[Array]) -> Array:
        """Return the place in the tables of each row's value of each input, shape (rows, inputs)."""
        found = np.empty((len(columns[0]), len(self.inputs)), dtype=np.intp)
        for place, (each, column) in enumerate(zip(self.inputs, columns, strict=True)):
            start: int = self._starts[place]  # type: ignore[attr-defined]
            if each.cuts is None:
                codes = self._codes[place]  # type: ignore[attr-defined]
                other = len(each.known)
                found[:, place] = [codes.get(value, other) for value in column]
                found[:, place] += start
            else:
                np.add(each.cuts.searchsorted(column), start, out=found[:, place])
                # NaN sorts after all numbers: one bin too early.
                found[:, place] += np.isnan(column)
        return found

    def scores(self, columns: Sequence[Array]) -> Array:
        """Return the linked sums, shape (rows, outputs); a row's do not depend on the rows beside it."""
        rows = len(columns[0])
        width = 1 if self.leaves is None else self.leaves.shape[1] * self.leaves.itemsize
        block = max(1, _BLOCK_BYTES // width)
        parts = []
        for start in range(0, rows, block):
            part = [column[start : start + block] for column in columns]
            bins = self.bins(part)
            parts.append(self._sums(bins) if self.leaves is not None else self._weighted(part, bins))
        return self._linked(np.concatenate(parts))

    def single(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row, to the bit those of `scores`.

        Parameters
        ----------
        values
            A number (NaN for null) or text (None for null) for each input.
        """
        bins = []
        for value, (start, codes, other, cuts, null) in zip(values, self._single, strict=True):  # type: ignore[attr-defined]
            if codes is not None:
                bins.append(codes.get(value, other))
            else:
                bins.append(start + bisect_left(cuts, value) if value == value else null)
        if self.leaves is None:
            kinds = [object if each.text else np.float64 for each in self.inputs]
            row = [np.array([value], dtype=kind) for value, kind in zip(values, kinds, strict=True)]
            sums = self._weighted(row, np.array([bins]))[0].tolist()
        else:
            bits = self._bits(np.bitwise_and.reduce(self.leaves.take(bins, axis=0), axis=0))
            sums = [
                np.add.accumulate(kept.take(bits[words] + offsets)).item(-1)
                for words, offsets, kept in self._groups  # type: ignore[attr-defined]
            ]
        if self.link == "expit" and sums[0] > -_FAR:
            chance = 1 / (1 + np.exp(-sums[0]).item())
            return [1 - chance, chance]
        found: list[float] = self._linked(np.array([sums]))[0].tolist()
        return found

    def _sums(self, bins: Array) -> Array:
        assert self.leaves is not None
        left = self.leaves.take(bins[:, 0], axis=0)
        for place in range(1, bins.shape[1]):
            left &= self.leaves.take(bins[:, place], axis=0)
        bits = self._bits(left)
        # One after another, as scikit-learn adds: `sum` adds pairwise.
        sums = [
            np.add.accumulate(kept.take(bits[:, words] + offsets), axis=1)[:, -1]
            for words, offsets, kept in self._groups  # type: ignore[attr-defined]
        ]
        return np.stack(sums, axis=1)

    @staticmethod
    def _bits(left: Array) -> Array:
        """Return the floating-point exponent of each word, which tells its one bit; at least that of a half, for none."""
        if left.itemsize == 4:
            bits: Array = left.astype(np.float32).view(np.int32) >> 23
        else:
            bits = (left.astype(np.float64).view(np.int64) >> 52).astype(np.int32)
        return np.maximum(bits, _NONE[left.itemsize])

    def _grouped(self) -> list[tuple[Any, Array, Array]]:
        """Return for each output its words, where the values of each begin (for an exponent of 0), and these."""
        assert self.leaves is not None
        assert self.values is not None
        assert self.outputs is not None
        groups = []
        for output in range(len(self.base)):
            words = np.flatnonzero((self.outputs == output) | (self.outputs < 0))
            values = self.values[words][:, :, output if self.values.shape[2] > 1 else 0].copy()
            # The first sum of all is this one.
            values[0] += self.base[output]
            offsets = np.arange(len(words), dtype=np.int32) * values.shape[1] - _NONE[self.leaves.itemsize]
            everything = len(words) == self.leaves.shape[1]
            groups.append((slice(None) if everything else words, offsets, values.ravel()))
        return groups

    def _weighted(self, columns: Sequence[Array], bins: Array) -> Array:
        assert self.weights is not None
        assert self.centres is not None
        assert self.additions is not None
        sums = np.repeat(self.base[None, :], len(bins), axis=0)
        for place, column in enumerate(columns):
            sums += self.additions[bins[:, place]]
            if self.inputs[place].cuts is not None and self.weights[place].any():
                number = np.asarray(column, dtype=np.float64) - self.centres[place]
                sums += np.where(np.isnan(number), 0.0, number)[:, None] * self.weights[place]
        return sums

    def _linked(self, sums: Array) -> Array:
        if self.divisor != 1.0:
            sums = sums / self.divisor
        if self.link == "decision":
            chosen = sums.argmax(axis=1) if sums.shape[1] > 1 else (sums[:, 0] > 0).astype(np.intp)
            return np.asarray(chosen[:, None] == np.arange(max(2, sums.shape[1])), dtype=np.float64)
        with np.errstate(over="ignore"):
            if self.link == "exp":
                return np.asarray(np.exp(sums))
            if self.link in ("expit", "expit of twice"):
                chance = 1 / (1 + np.exp(-sums if self.link == "expit" else -2 * sums))
                return np.concatenate([1 - chance, chance], axis=1)
            if self.link == "softmax":
                powers = np.exp(sums - sums.max(axis=1, keepdims=True))
                # Column by column: a sum along rows may add in an order that hangs on their number.
                total = powers[:, 0].copy()
                for output in range(1, powers.shape[1]):
                    total += powers[:, output]
                return np.asarray(powers / total[:, None])
        return sums


def _codes(each: Input) -> dict[str | None, int]:
    return {None: len(each.known) + 1, **{value: place for place, value in enumerate(each.known)}}


def _single(each: Input, start: int) -> tuple[int, dict[str | None, int] | None, int, list[float] | None, int]:
    """Return where an input's bins start, its texts' bins and that of others, its cuts, and the bin of null."""
    null = start + each.bins - 1
    if each.cuts is not None:
        return start, None, 0, each.cuts.tolist(), null
    return start, {text: start + code for text, code in _codes(each).items()}, null - 1, None, null


_ARRAYS = ("base", "leaves", "values", "outputs", "weights", "centres", "additions")


def dump_tables(tables: Tables, about: Mapping[str, Any]) -> bytes:
    """Return the bytes of `tables.npz`; `about` is kept with them, as JSON."""
    inputs = [{"name": each.name, "text": each.text, "known": list(each.known)} for each in tables.inputs]
    described = {"format": FORMAT, "inputs": inputs, "link": tables.link, "divisor": tables.divisor, "about": about}
    arrays = {name: getattr(tables, name) for name in _ARRAYS if getattr(tables, name) is not None}
    arrays |= {f"cuts{place}": each.cuts for place, each in enumerate(tables.inputs) if each.cuts is not None}
    arrays["described"] = np.frombuffer(json.dumps(described, sort_keys=True).encode(), dtype=np.uint8)
    entries = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        entries[f"{name}.npy"] = buffer.getvalue()
    return write_zip(entries, compressed=True)


def load_tables(data: bytes) -> tuple[Tables, Mapping[str, Any]]:
    """Read what `dump_tables` wrote.

    Raises
    ------
    CorruptPackageError
        If it is something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        described = json.loads(arrays.pop("described").tobytes())
        if described["format"] != FORMAT:
            raise ValueError(f"format {described['format']}, and {FORMAT} is known")
        inputs = tuple(
            Input(each["name"], each["text"], tuple(each["known"]), arrays.get(f"cuts{place}"))
            for place, each in enumerate(described["inputs"])
        )
        kept = {name: arrays[name] for name in _ARRAYS if name in arrays}
        return Tables(inputs, link=described["link"], divisor=described["divisor"], **kept), described["about"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptPackageError(f"'tables.npz' cannot be read: {error}. Make the package again.") from error
