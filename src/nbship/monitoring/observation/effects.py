"""Whether a model's predictions depend on an input: a change of an input that they do not depend on is no finding.

The values of the window replace those of the package's golden rows. If every prediction stays the same, no prediction
depends on the input. For example, an order number is logged as the key of a row, and the model drops it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ...acceptance import golden_of
from ...model.package import Manifest
from ...model.signature import Codes, Column, Signature
from ...predictor import PackagePredictor, load_files
from ..coding import taken

__all__ = ["Effects", "Sample"]

_ROWS = 1000


class Sample:
    """A random sample of the rows of a window, drawn part by part: those with the smallest of their random numbers."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._drawn = np.empty(0)
        self.columns: dict[str, Column] = {}

    def add(self, columns: Mapping[str, Column | Codes]) -> None:
        """Add the rows of a part."""
        drawn = self._random.random(len(next(iter(columns.values()))))
        if len(self._drawn) == _ROWS:
            # Only these rows can be among those with the smallest numbers.
            near = np.flatnonzero(drawn < self._drawn[-1])
            columns, drawn = {name: taken(values, near) for name, values in columns.items()}, drawn[near]
        together = np.append(self._drawn, drawn)
        chosen = np.argsort(together)[:_ROWS]
        before = self.columns or {name: np.asarray(taken(values, slice(0))) for name, values in columns.items()}
        self._drawn = together[chosen]
        self.columns = {name: np.append(before[name], np.asarray(values))[chosen] for name, values in columns.items()}


class Effects:
    """The effects of inputs on the predictions of a package.

    Parameters
    ----------
    signature, manifest, files
        Of the verified package. The model is loaded when the first input is asked for.
    sample
        Rows of the window as the model saw them.
    """

    def __init__(self, signature: Signature, manifest: Manifest, files: Mapping[str, bytes], sample: Sample) -> None:
        self._signature, self._manifest, self._files, self._sample = signature, manifest, files, sample

    def has_effect(self, name: str) -> bool:
        """Return whether predictions depend on an input; where that cannot be tested, they are taken to."""
        # The log holds pseudonyms of personal values, which the model never saw.
        if name not in self._signature.names or self._signature[name].pii:
            return True
        try:
            return self._changes(name)
        except Exception:  # code of the project, in any package: without a test, the input stays a finding
            return True

    @cached_property
    def _predictor(self) -> PackagePredictor:
        return load_files(self._manifest, self._files)

    @cached_property
    def _golden(self) -> Any:
        golden = golden_of(self._predictor)
        return golden[[one for one in self._signature.names if one in golden]]

    def _changes(self, name: str) -> bool:
        # What is looked up by the input follows from it.
        lookups = self._predictor.model.lookups
        dependent = [column for one in lookups if name in {key.column for key in one.keys} for column in one.columns]
        rows = self._golden.drop(columns=dependent, errors="ignore")
        values = self._sample.columns[name]
        number = max(len(rows), len(values))
        rows = rows.take(np.arange(number) % len(rows)).reset_index(drop=True)
        replaced = rows.assign(**{name: values[np.arange(number) % len(values)]})
        before, after = (self._predictor.predict(each).columns() for each in (rows, replaced))
        return any(not np.array_equal(before[output], after[output]) for output in before)
