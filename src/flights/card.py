"""The model card: what the model is for, how good it is, and where it must not be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .zones import HOME

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["card"]

_TEXT = """# Will this flight be late?

**Question.** At scheduled departure: will this flight out of New York arrive 15 or more minutes late, or never?
The answer is a probability, and a label from a threshold on.

**Meant for** planning ahead of a departure from Newark, John F. Kennedy or LaGuardia: whom to rebook, which connections to watch.
**Not meant for** safety, for other airports, or for a judgement on a carrier or a crew.

## Learned from

{rows:,} flights from {first} to {last}, of which {late:.1%} were late or never arrived, with the hourly weather at the
departure airport and the register of planes. {reason}

Nothing that is known only after departure is an input. A flight without a tail number and one with an unknown plane look
the same to the model, because only flights that never left lack a tail number.

## How good

On the {n:,} flights from {from_} to {to}, none of which it learned from:

| | model | carrier × hour base rate |
|---|--:|--:|
{table}

## Know before use

- Months differ: the share of late flights moves between a seventh and more than a third, and the probabilities do not follow
  the season. Watch calibration, and retrain.
- Weather is that of the hour of scheduled departure at the departure airport; what happens at the destination is not known.
- Learned from one half-year of one year, 2013. Strikes, storms beyond what it saw, and new carriers are guesses.
"""

_MEASURES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}


def card(
    evidence: Mapping[str, Mapping[str, Any]],
    *,
    choice: Mapping[str, Any],
    train: pd.DataFrame,
    holdout: pd.DataFrame,
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    evidence
        `metrics` of the model and `metrics_base` of the base rate, as `evaluate` found them.
    choice
        What `train` chose, with the reason.
    """
    model, base = evidence["metrics"], evidence["metrics_base"]
    lines = [f"| {title} | {model[key]:.3f} | {base[key]:.3f} |" for key, title in _MEASURES.items()]
    (first, last), (from_, to) = _dates(train), _dates(holdout)
    return _TEXT.format(
        rows=len(train),
        first=first,
        last=last,
        late=train["late"].mean(),
        reason=choice["reason"],
        n=model["n"],
        from_=from_,
        to=to,
        table="\n".join(lines),
    )


def _dates(frame: pd.DataFrame) -> tuple[str, str]:
    days = frame["scheduled_departure"].dt.tz_convert(HOME)
    return tuple(f"{day:%-d %B %Y}" for day in (days.min(), days.max()))  # type: ignore[return-value]
