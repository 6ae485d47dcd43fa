"""The model card: intended use, performance and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .zones import HOME

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["card"]

_TEXT = """# Will this flight be late?

**Question.** At scheduled departure: will this flight out of New York arrive 15 or more minutes late, or never?
The outputs are a probability, and a label that compares it with a threshold.

**Intended use:** planning ahead of a departure from Newark, John F. Kennedy or LaGuardia, such as rebooking and connections.
**Out of scope:** safety, other airports, and judgements on carriers or crews.

## Training data

{rows:,} flights from {first} to {last}, of which {late:.1%} were late or never arrived, with the hourly weather at the
departure airport and the register of planes. {reason}

No input is known only after departure. The model does not distinguish a missing tail number from an unknown plane,
because only flights that never left lack a tail number.

## Performance

On the {n:,} held-out flights from {from_} to {to}:

| | model | carrier × hour base rate |
|---|--:|--:|
{table}

## Limits

- Months differ: the share of late flights ranges from a seventh to more than a third, and the probabilities do not follow
  the season. Monitor calibration, and retrain.
- The weather is that of the hour of scheduled departure at the departure airport, not at the destination.
- The training data cover half of 2013. Predictions for strikes, unseen storms and new carriers are extrapolations.
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
        `metrics` of the model and `metrics_base` of the base rate, from stage `evaluate`.
    choice
        The choice of stage `train`, with its reason.
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
