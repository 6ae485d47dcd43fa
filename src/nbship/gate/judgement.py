"""Judge a candidate: all checks of the gate, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from ..errors import SettingsError
from ..model import Signature
from ..project import GatesSection
from ..run_records import RunRecord
from .by_slice import measure_slices, slice_checks
from .checks import Check
from .comparisons import against_others, against_production, compared
from .differences import difference_checks, row_differences
from .evidence import Evidence, gather
from .expectations import expectation_checks
from .limits import Limits
from .measures import agreed, calibration, measures_of
from .production import Production, read_production
from .refits import fit_again, refit_checks
from .report import Report
from .responses import compare_responses, response_checks, signature_checks
from .rounds import latency_check, packaged, size_check
from .training import (
    compare_days,
    feature_checks,
    input_checks,
    label_checks,
    split_checks,
    training_cost_checks,
    training_record,
    used_columns,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["judge"]

_MOST_RECORDS = 200


def judge(
    estimator: Any,
    *,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    label: str,
    signature: Signature,
    baseline: ArrayLike | None = None,
    simpler: Mapping[str, ArrayLike] | None = None,
    production: Path | str | None = None,
    limits: Limits | None = None,
    settings: GatesSection | Mapping[str, Any] | None = None,
    slices: Sequence[str] = (),
    reason_of_changes: str = "",
    history: Iterable[RunRecord] = (),
    also: Sequence[Check] = (),
) -> Report:
    """Judge whether a candidate may be released.

    Parameters
    ----------
    estimator
        The candidate, a fitted scikit-learn estimator of two classes (a probability is judged) or of a value.
    train, holdout
        Training rows and held-out rows, with the inputs, the column `label`, and the columns of `slices`.
    signature
        The inputs and outputs of the candidate.
    baseline
        Predictions of the baseline for the held-out rows (default: the mean of the training labels).
    simpler
        Name -> predictions of simpler models for the held-out rows.
    production
        The folder of the package in production. None or an empty folder: the candidate is the first model.
    limits
        The limits; see `Limits` for the defaults.
    settings
        `gates` of nbship.yaml: `measure`, `block` and `expectations`.
    slices
        Columns of `holdout` whose values are slices.
    reason_of_changes
        Why the inputs or features are not those of production. Without a reason, a change is rejected.
    history
        Run records of the training stage: see `OpenStage.history`.
    also
        Checks of the project's own.

    Raises
    ------
    DataError
        If the rows do not fit the signature, or there are no labels.
    PackageError
        If the package in production is not valid.
    SettingsError
        If an expectation cannot be read.
    """
    limits, gates = limits or Limits(), _gates(settings)
    now = read_production(production)
    evidence = gather(
        estimator, signature=signature, train=train, holdout=holdout, label=label,
        baseline=np.full(len(holdout), _mean(train, label)) if baseline is None else baseline,
        simpler=simpler or {}, production=now, slices=slices, block=gates.block,
    )  # fmt: skip
    measure = _measure(evidence, gates.measure)
    comparisons, table = compared(evidence, measure, limits), measure_slices(evidence, limits)
    refits, days = fit_again(evidence, limits), compare_days(evidence)
    responses, differences = compare_responses(evidence, limits.seed), row_differences(evidence, refits)
    used = used_columns(evidence, limits.seed)
    is_packaged = now is not None and not (limits.max_slower is None and limits.max_larger is None)
    package, why = packaged(evidence) if is_packaged else (None, "")

    def checks() -> Iterator[Check]:
        yield from agreed(evidence, measure, limits)
        yield from against_others(comparisons, measure, limits)
        if now is not None:
            yield from against_production(evidence, comparisons["production"], measure, limits)
        yield from calibration(evidence, limits)
        yield from slice_checks(evidence, table, limits)
        yield from expectation_checks(evidence, gates.expectations)
        yield from split_checks(evidence, limits)
        yield from input_checks(evidence, days, limits)
        yield from label_checks(evidence, limits)
        yield from refit_checks(evidence, refits)
        yield from signature_checks(evidence, reason_of_changes)
        yield from feature_checks(evidence, used, reason_of_changes)
        yield from response_checks(evidence, responses, reason_of_changes)
        yield from difference_checks(differences, limits)
        if now is not None and limits.max_larger is not None:
            yield size_check(package.package if package else None, now.predictor.package, limits.max_larger, why)
        yield from also

    def measured() -> Iterator[Check]:
        if now is not None and limits.max_slower is not None:
            yield latency_check(package, now.predictor, _records(evidence, now), limits.max_slower)
        yield from training_cost_checks(history, limits)

    return Report(
        checks=tuple(checks()),
        measured=tuple(measured()),
        measure=measure,
        production=now.version if now else None,
        measures={
            "candidate": measures_of(evidence, evidence.predicted),
            **{name: measures_of(evidence, values) for name, values in evidence.others.items()},
        },
        comparisons={name: found._asdict() for name, found in comparisons.items()},
        slices=table.rows,
        inputs=days or [],
        responses=responses,
        differences=differences,
        training=training_record(evidence, used),
    )


def _gates(settings: GatesSection | Mapping[str, Any] | None) -> GatesSection:
    if isinstance(settings, GatesSection):
        return settings
    try:
        return msgspec.convert(dict(settings or {}), GatesSection)
    except msgspec.ValidationError as error:
        raise SettingsError(f"'gates' cannot be read: {error}. Pass `stage.settings(\"gates\")`.") from error


def _mean(train: pd.DataFrame, label: str) -> float:
    return float(np.asarray(train[label], dtype=np.float64).mean()) if label in train and len(train) else 0.0


def _measure(evidence: Evidence, measure: str) -> str:
    """Return the measure that was agreed; for values, "auc" (the default) means "mae"."""
    return "mae" if evidence.kind == "value" and measure == "auc" else measure


def _records(evidence: Evidence, production: Production) -> list[dict[str, Any]]:
    """Return held-out rows as records that both packages read, with all fields: none is looked up."""
    rows, _ = evidence.answered
    names = [
        name
        for name in dict.fromkeys((*evidence.names, *production.predictor.signature.names))
        if name in evidence.holdout
    ]
    frame = evidence.holdout.iloc[rows[:_MOST_RECORDS]][names].astype(object)
    records = frame.where(frame.notna(), None).to_dict("records")
    return [
        {str(name): value.isoformat() if hasattr(value, "isoformat") else value for name, value in each.items()}
        for each in records
    ]
