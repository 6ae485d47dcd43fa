"""What a package keeps of its training data to compare with: counts of fields, by period, and never rows."""

from __future__ import annotations

from .counts import Counts, factorized
from .distributions import Distribution, Reference, count, describe, identified_by
from .measured import measure
from .pairs import LEAST_OF_PAIR
from .periods import LEAST_ROWS, MOST_DISTINCT, Periods, is_known, joined, repeated, row_hashes, six_digits
from .reference_file import dump_reference, load_reference
from .sorted_numbers import Grouping, SortedNumbers

__all__ = [
    "LEAST_OF_PAIR",
    "LEAST_ROWS",
    "MOST_DISTINCT",
    "Counts",
    "Distribution",
    "Grouping",
    "Periods",
    "Reference",
    "SortedNumbers",
    "count",
    "describe",
    "dump_reference",
    "factorized",
    "identified_by",
    "is_known",
    "joined",
    "load_reference",
    "measure",
    "repeated",
    "row_hashes",
    "six_digits",
]
