"""What a package keeps of its training data to compare with: counts of fields, by period, and never rows."""

from __future__ import annotations

from .counts import Counts
from .distributions import Distribution, Reference, count, describe, identified_by
from .measured import measure
from .pairs import LEAST_OF_PAIR
from .periods import LEAST_ROWS, Periods, distinct_values, is_known, joined, repeated, row_hashes, six_digits
from .reference_file import dump_reference, load_reference

__all__ = [
    "LEAST_OF_PAIR",
    "LEAST_ROWS",
    "Counts",
    "Distribution",
    "Periods",
    "Reference",
    "count",
    "describe",
    "distinct_values",
    "dump_reference",
    "identified_by",
    "is_known",
    "joined",
    "load_reference",
    "measure",
    "repeated",
    "row_hashes",
    "six_digits",
]
