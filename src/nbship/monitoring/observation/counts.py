"""Count the inputs and the predictions of a window, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...model.build import Distribution, Grouping, Reference, load_reference, measure
from ...model.package import load_lookups
from ...model.signature import Codes, Column, Signature
from ...prediction_log import Part, input_column
from ..coding import InputCodes, coded_columns, taken
from ..drift import Collector, FieldCounts, plan, read_relations
from ..outcomes import kind_of, with_outcomes
from ..performance import Pairs
from ..window import Window
from .effects import Sample

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Counts"]


class Counts:
    """Counts of the inputs and the predictions of a window."""

    def __init__(
        self, signature: Signature, files: Mapping[str, bytes], window: Window, relations: Sequence[str]
    ) -> None:
        reference = load_reference(files["reference.parquet"])
        self._signature, self._lookups, self._reference, self._window = (
            signature,
            load_lookups(files),
            reference,
            window,
        )
        self._plan = plan(window, reference.periods)
        self.kind = kind_of(signature)
        self.sample = Sample()
        self.collector = Collector(signature, reference, self._plan, read_relations(relations, signature))
        self.fields = {
            name: FieldCounts(name, each, self._plan)
            for name, each in reference.fields.items()
            if each.role in ("input", "given") and _is_logged(name, each, signature)
        }
        self.codes = InputCodes({name: each for name, each in reference.fields.items() if each.role == "input" and name in self.fields})  # fmt: skip
        trained = max((each.rows for each in reference.fields.values()), default=0)
        self.pairs = None if reference.pairs is None else Pairs(reference.pairs, trained)
        known = reference.fields.get(self.kind)
        self.prediction = None if known is None else FieldCounts(self.kind, known, self._plan)

    def add(self, part: Part) -> tuple[pd.DataFrame, dict[str, Column]]:
        """Count a part, and return its frame with its looked-up columns and its outcomes, and the columns of codes."""
        columns, days = self._inputs(part), Grouping(self._days(part), self._plan.number)
        measured = measure(columns, self._signature)
        self.sample.add(columns)
        self.collector.add(columns, measured, days.of_rows)
        for name, field in self.fields.items():
            field.add(*_given(name, measured, days, self._reference))
        # Codes are those of the frame: no row left the field out.
        looked_up = {
            input_column(name): column
            for name, column in columns.items()
            if self._signature[name].lookup and not isinstance(column, Codes)
        }
        scored = with_outcomes(part.frame.assign(**looked_up), self._signature)
        if self.prediction is not None:
            self.prediction.add(scored["predicted"].to_numpy(), days)
        return scored, self.codes.encode(measured)

    def _days(self, part: Part) -> NDArray[np.int64]:
        if self._plan.number == 1:
            return np.zeros(len(part.frame), dtype=np.int64)
        local = part.frame["event_time"].dt.tz_convert(self._window.zone).dt.tz_localize(None).to_numpy()
        first = np.datetime64(self._window.days[0]).astype(np.int64)
        return np.asarray(local.astype("datetime64[D]").astype(np.int64) - first)

    def _inputs(self, part: Part) -> Mapping[str, Any]:
        """Return the inputs as the model saw them: fields that were left out are looked up again, nulls stay nulls."""
        names = self._signature.names
        columns = coded_columns(part.frame[[input_column(name) for name in names]].set_axis(list(names), axis=1))
        for lookup in self._lookups:
            absent = {name: part.absent[name] for name in lookup.columns if name in part.absent}
            if any(mask.any() for mask in absent.values()):
                read = {name: np.asarray(columns[name]) for name in (*(key.column for key in lookup.keys), *absent)}
                found = lookup.attach(read, absent=absent)
                columns = {**columns, **{name: found[name] for name in lookup.columns}}
        return columns


def _is_logged(name: str, reference: Distribution, signature: Signature) -> bool:
    """Return whether the log has a field: it has pseudonyms of personal strings, and no other personal values."""
    field = signature[reference.given[0] if reference.given else name]
    return not field.pii or (field.pii != "drop" and field.dtype in ("string", "category"))


def _given(
    name: str, measured: Mapping[str, Any], days: Grouping, reference: Reference
) -> tuple[Column | None, Grouping]:
    """Return the values of a field and their days; of a field given another, only the rows with that value."""
    given = reference.fields[name].given
    if given is None:
        return measured.get(name), days
    if given[0] not in measured or given[1] not in measured:
        return None, days
    chosen = np.asarray(measured[given[1]]) == given[2]
    return taken(measured[given[0]], chosen), days.taken(chosen)
