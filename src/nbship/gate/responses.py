"""Which inputs move the predictions of the candidate and of production, and whether their signatures are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .checks import FAILED, PASSED, Check
from .evidence import Evidence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare_responses", "response_checks", "signature_checks"]

NAME = "inputs used"
_ROWS = 2000
# An input moves production strongly if shuffling it moves predictions by this on average, as a part of their deviation. The
# candidate ignores it if it moves by less than a twentieth of that. Of two inputs that say the same, a fit may ignore one.
_STRONG, _IGNORED = 0.05, 0.05
_HOUR = 3600


def compare_responses(evidence: Evidence, seed: int) -> list[dict[str, Any]]:
    """Return how far each input moves the predictions of both models when it is shuffled among rows.

    Timestamps are moved together, by days and by hours, since only their differences from each other would change else.

    Returns
    -------
    list
        `input`, `production` and `candidate`: mean absolute differences, as parts of the deviation of predictions.
    """
    rows, _ = evidence.answered
    if evidence.production is None or len(rows) < 2:
        return []
    rows = rows[np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).astype(np.intp)]
    frame = evidence.holdout.iloc[rows]
    models: dict[str, Callable[[pd.DataFrame], NDArray[np.float64]]] = {
        "production": partial(_production, evidence),
        "candidate": evidence.predict,
    }
    base = {name: model(frame) for name, model in models.items()}
    scale = {name: float(values.std()) or 1.0 for name, values in base.items()}
    found = []
    for name, changed in _changes(evidence, frame, np.random.default_rng(seed)):
        record: dict[str, Any] = {"input": name}
        for model, predict in models.items():
            moved = np.abs(predict(changed) - base[model])
            record[model] = float(np.nanmean(moved)) / scale[model] if np.isfinite(moved).any() else 0.0
        found.append(record)
    return found


def _production(evidence: Evidence, frame: pd.DataFrame) -> NDArray[np.float64]:
    assert evidence.production is not None
    rows, values = evidence.production.predict(frame)
    found = np.full(len(frame), np.nan)
    found[rows] = values
    return found


def _changes(evidence: Evidence, frame: pd.DataFrame, rng: np.random.Generator) -> Iterator[tuple[str, pd.DataFrame]]:
    import pandas as pd

    times = [name for name in evidence.names if pd.api.types.is_datetime64_any_dtype(frame[name])]
    for name in evidence.names:
        if name not in times:
            yield name, frame.assign(**{name: frame[name].array[rng.permutation(len(frame))]})
    for unit, most, seconds in (("day of the week", 7, 24 * _HOUR), ("hour of the day", 24, _HOUR)) if times else ():
        moved = pd.to_timedelta(rng.integers(1, most, len(frame)) * seconds, unit="s")
        yield f"{', '.join(times)} ({unit})", frame.assign(**{name: frame[name] + moved for name in times})


def response_checks(evidence: Evidence, responses: list[dict[str, Any]], reason: str) -> Iterator[Check]:
    """Check that the candidate responds to each input to which production responds strongly."""
    if evidence.production is None:
        return
    ignored = [
        str(each["input"])
        for each in responses
        if each["production"] > _STRONG and each["candidate"] < _IGNORED * each["production"]
    ]
    if not ignored or reason:
        words = f" ({reason})" if ignored else ""
        yield Check(
            NAME,
            PASSED,
            f"The candidate responds to the inputs to which production responds strongly{words}.",
            float(len(ignored)),
            0.0,
        )
        return
    more = f" (and {len(ignored) - 1} more)" if len(ignored) > 1 else ""
    yield Check(
        NAME,
        FAILED,
        f"The candidate ignores '{ignored[0]}'{more}, to which production responds strongly. Mend the features; if it was left out on purpose, say why in 'reason_of_changes'.",
        float(len(ignored)),
        0.0,
    )


def signature_checks(evidence: Evidence, reason: str) -> Iterator[Check]:
    """Check that a changed signature comes with a reason; both models are compared on the inputs that they share."""
    if evidence.production is None:
        return
    name = "same signature"
    before, now = evidence.production.predictor.signature, evidence.signature
    changes = [
        *(f"'{field}' is gone" for field in before.names if field not in now.names),
        *(f"'{field}' is new" for field in now.names if field not in before.names),
        *(f"'{field}' is {now[field].dtype}, was {before[field].dtype}" for field in now.names if field in before.names and now[field].dtype != before[field].dtype),
    ]  # fmt: skip
    if not changes:
        yield Check(name, PASSED, "Inputs have the names and types of production's.", 0.0, 0.0)
        return
    words = "; ".join(changes[:3]) + (f"; {len(changes) - 3} more" if len(changes) > 3 else "")
    if reason:
        yield Check(name, PASSED, f"The inputs changed ({reason}): {words}.", float(len(changes)), 0.0)
        return
    yield Check(
        name,
        FAILED,
        f"The inputs changed: {words}. Clients must send other rows. Say why in 'reason_of_changes', or restore them.",
        float(len(changes)),
        0.0,
    )
