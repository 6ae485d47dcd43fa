"""From the scores of a model to the outputs that its signature names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SignatureError
from ...text import counted
from .columns import Column
from .fields import Output
from .signature import Signature

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OutputReader", "Predictions", "Target"]


@dataclass(frozen=True)
class Predictions:
    """Outputs of a model, arrays of shape (rows,); None for an output that the model does not have.

    Attributes
    ----------
    label
        The class.
    probability
        Of the positive class, or of the predicted label if the signature names no positive class; 0 to 1.
    value
        The predicted number, in the unit that the signature gives.
    more
        `<kind>.<name>` -> array, for every further output of a kind: of another target or another class.
    """

    label: Column | None = None
    probability: Column | None = None
    value: Column | None = None
    more: Mapping[str, Column] = field(default_factory=dict)

    def columns(self) -> dict[str, Column]:
        """Return the outputs that are not None, by column name."""
        found = {"label": self.label, "probability": self.probability, "value": self.value, **self.more}
        return {kind: column for kind, column in found.items() if column is not None}

    @classmethod
    def of_records(cls, records: Sequence[Mapping[str, Any]]) -> Predictions:
        """Return records of plain values as columns."""
        names = records[0] if records else ()
        return _predictions({name: _column([record[name] for record in records]) for name in names})

    def __len__(self) -> int:
        return len(next(iter(self.columns().values())))

    def to_frame(self) -> pd.DataFrame:
        """Return a frame with a column for each output."""
        import pandas as pd

        return pd.DataFrame(self.columns())


@dataclass(frozen=True)
class Target:
    """One target of a model: the columns of its scores, and their meaning.

    Attributes
    ----------
    classes
        Of a classifier, in the order of its scores; None for a regression.
    probabilistic
        Whether a classifier's scores are probabilities; if not, they are 1 for the predicted class and 0 for others.
    start
        The index of its first score.
    labels
        Of a classifier whose label is not always the class with the largest score: the index of the first of further
        columns, which are 1 for the label and 0 for other classes.
    """

    classes: Column | None = None
    probabilistic: bool = True
    start: int = 0
    labels: int | None = None

    @property
    def stop(self) -> int:
        """The index after its last score."""
        return self.start + (1 if self.classes is None else len(self.classes))


class OutputReader:
    """Turns scores into outputs.

    Raises
    ------
    SignatureError
        If the signature names a target or a class that the model does not have.
    """

    def __init__(self, signature: Signature, targets: Sequence[Target]) -> None:
        signature = replace(signature, outputs=_with_defaults(signature.outputs, targets[0]))
        self._plan: list[tuple[str, Output, Target, int | None, float | None]] = []
        for column, output in signature.output_columns.items():
            if output.target >= len(targets):
                raise SignatureError(
                    f"Output '{output.name}' has target {output.target}, but the model has {counted(len(targets), 'target')}, counted from 0."
                )
            target = targets[output.target]
            if (output.kind == "value") != (target.classes is None):
                predicted = "numbers" if target.classes is None else "classes"
                raise SignatureError(
                    f"Output '{output.name}' is a {output.kind}, but the model predicts {predicted}. Infer the outputs again: outputs=()."
                )
            self._plan.append(
                (column, output, target, *_threshold(output, target, _class_index(output, target), signature))
            )
        self._labels = {id(target): target.classes.tolist() for target in targets if target.classes is not None}

    def read(self, scores: Column) -> Predictions:
        """Return the outputs of rows, given their scores, shape (rows, scores)."""
        found: dict[str, Column] = {}
        for column, output, target, index, threshold in self._plan:
            own = scores[:, target.start : target.stop]
            if output.kind == "value":
                found[column] = np.ascontiguousarray(own[:, 0])
                continue
            assert target.classes is not None
            chosen = own if target.labels is None else scores[:, target.labels :][:, : len(target.classes)]
            likeliest = chosen.argmax(axis=1)
            if output.kind == "probability" and index is None:
                found[column] = own[np.arange(len(own)), likeliest]
            elif output.kind == "probability":
                found[column] = np.ascontiguousarray(own[:, index])
            else:
                if threshold is not None and index is not None:
                    # There are two classes, so the other class has the index 1 - index.
                    likeliest = np.where(own[:, index] >= threshold, index, 1 - index)
                found[column] = target.classes[likeliest]
        return _predictions(found)

    def read_row(self, scores: Sequence[float]) -> dict[str, Any]:
        """Return the outputs of one row as plain values, bit for bit those of `read`."""
        found: dict[str, Any] = {}
        for column, output, target, index, threshold in self._plan:
            own = scores[target.start : target.stop]
            if output.kind == "value":
                found[column] = own[0]
            elif output.kind == "probability":
                found[column] = max(own) if index is None else own[index]
            else:
                likeliest = own.index(max(own))
                if threshold is not None and index is not None:
                    likeliest = index if own[index] >= threshold else 1 - index
                found[column] = self._labels[id(target)][likeliest]
        return found

    def collect(self, rows: Sequence[Mapping[str, Any]]) -> Predictions:
        """Return rows of plain values, as `read_row` gives them, as columns."""
        found: dict[str, Any] = {}
        for column, output, target, _, _ in self._plan:
            kind = target.classes.dtype if output.kind == "label" and target.classes is not None else np.dtype(float)
            found[column] = np.empty(len(rows), dtype=kind)
            found[column][:] = [row[column] for row in rows]
        return _predictions(found)


def _with_defaults(outputs: Sequence[Output], first: Target) -> tuple[Output, ...]:
    """Return the outputs, completed by the default outputs of the first target."""
    kinds = {output.kind for output in outputs}
    missing = ["value"] if first.classes is None else ["label", *(["probability"] if first.probabilistic else [])]
    return (*(Output(kind, "", kind) for kind in missing if kind not in kinds), *outputs)


def _class_index(output: Output, target: Target) -> int | None:
    """Return the index of the class of a probability; raise an error if the target does not have a named class."""
    if target.classes is None:
        return None
    classes: list[Any] = target.classes.tolist()
    for named in (*(output.classes or ()), output.positive):
        if named is not None and named not in classes:
            raise SignatureError(
                f"Output '{output.name}' names the class {named!r}, which the model does not have. Its classes: {classes}."
            )
    return None if output.kind != "probability" or output.positive is None else classes.index(output.positive)


def _threshold(
    output: Output, target: Target, index: int | None, signature: Signature
) -> tuple[int | None, float | None]:
    """Return, for a label with a threshold, the index of the class whose probability is compared with it."""
    if output.kind != "label" or output.threshold is None or target.classes is None or len(target.classes) != 2:
        return index, None
    for other in signature.outputs:
        if other.kind == "probability" and other.target == output.target and other.positive is not None:
            return _class_index(other, target), output.threshold
    return index, None


def _column(values: list[Any]) -> Column:
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


def _predictions(found: dict[str, Any]) -> Predictions:
    label, probability, value = found.pop("label", None), found.pop("probability", None), found.pop("value", None)
    return Predictions(label, probability, value, found)
