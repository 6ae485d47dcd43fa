"""Relations between two fields of a row: a limit of one field that is the value of another, as in "start < end"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import SignatureError
from ...text import nearest
from .columns import Column
from .fields import Field

__all__ = ["Relation", "read_relation"]

_COMPARABLE = {"int": "number", "float": "number", "datetime": "timestamp"}


@dataclass(frozen=True)
class Relation:
    """A relation of two numbers or two timestamps. It holds where either is null.

    Attributes
    ----------
    low, high
        Names of the fields.
    strict
        Whether equal values break it.

    >>> Relation("start", "end", strict=True).reason(Field("end", "datetime"))
    "is not after 'start'"
    """

    low: str
    high: str
    strict: bool

    def breaks(self, low: Column, high: Column) -> Column:
        """Return a mask of the rows that break it."""
        # A comparison with NaN or NaT is false.
        return np.asarray(low >= high if self.strict else low > high)

    def reason(self, field: Field) -> str:
        """Return why the value of `high`, a field, is not valid, without the value."""
        if field.dtype == "datetime":
            return f"is {'not after' if self.strict else 'before'} '{self.low}'"
        return f"is {'not above' if self.strict else 'below'} '{self.low}'"


def read_relation(text: str, fields: Sequence[Field]) -> Relation:
    """Read a relation such as "start < end" or "dew_point <= temperature".

    Raises
    ------
    SignatureError
        If it is none, or its fields cannot be compared.

    >>> read_relation("start < end", [Field("start", "datetime"), Field("end", "datetime")]).high
    'end'
    """
    low, sign, high = text.partition("<")
    strict = not high.startswith("=")
    names = (low.strip(), high.removeprefix("=").strip())
    if not sign or not all(names):
        raise SignatureError(f"'{text}' is not a relation. Write it as 'start < end' or 'start <= end'.")
    known = {field.name: field for field in fields}
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"Did you mean '{near}'?" if near else f"Its fields: {', '.join(known)}."
            raise SignatureError(f"The relation '{text}' names '{name}', which is not a field of the signature. {hint}")
    kinds = {_COMPARABLE.get(known[name].dtype) for name in names}
    if len(kinds) > 1 or None in kinds:
        dtypes = " and ".join(f"'{name}' is of dtype '{known[name].dtype}'" for name in names)
        raise SignatureError(f"In the relation '{text}', {dtypes}. Compare two numbers or two timestamps.")
    return Relation(*names, strict=strict)
