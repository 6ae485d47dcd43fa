"""The limits of the gate: numbers of the data scientist, parameters of the stage."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """The limits of the gate. Without a limit (None), nothing is checked.

    Attributes
    ----------
    least, most
        The limit of the agreed measure on held-out rows: `least` for AUC, `most` for errors such as Brier.
    min_gain
        By how much the model is at least better than the baseline. Negative: by how much it may be worse.
    margin
        By how much it may be worse than production, in the unit of the measure.
    max_gain
        By how much it may be better than production before a leak is suspected.
    max_calibration_error, max_calibration_intercept, min_calibration_slope, max_calibration_slope
        Of probabilities: the mean difference from the rate, the difference on average in logits, and how far the
        probabilities spread (1 is right, less is too extreme).
    min_slice_rows
        Smaller slices are not checked.
    min_slice_auc, max_slice_bias
        Of each slice: its AUC, and the difference of mean prediction and mean outcome, both shrunk.
    max_slice_flips
        By how much more rows of a slice may become wrong than right, compared with production.
    max_gap_days
        Days between the last training row and the first held-out row.
    max_input_change, max_label_changes
        On days that production was trained on too: the share of an input's rows, and of labels, that differ.
    max_outside
        The share of held-out rows outside the range of the training rows, for each number.
    max_alone
        The largest AUC of one input alone.
    max_difference
        The mean difference from production's predictions, as a multiple of that between refits.
    max_slower, max_larger, max_training
        The time of one prediction and the size of the model's files, as multiples of production's; CPU time and memory of
        training, as multiples of earlier runs.
    refits
        How often the model is fitted again on other days, to know the noise of differences, at least 3. 0: it is never
        fitted again, not even on the same rows.
    seed
        The random seed of resamples and refits.
    """

    least: float | None = None
    most: float | None = None
    min_gain: float = 0.0
    margin: float = 0.02
    max_gain: float = 0.1
    max_calibration_error: float | None = None
    max_calibration_intercept: float | None = None
    min_calibration_slope: float | None = None
    max_calibration_slope: float | None = None
    min_slice_rows: int = 1000
    min_slice_auc: float | None = None
    max_slice_bias: float | None = None
    max_slice_flips: float | None = 0.05
    max_gap_days: float = 7.0
    max_input_change: float = 0.02
    max_label_changes: float = 0.005
    max_outside: float = 0.5
    max_alone: float = 0.8
    max_difference: float = 3.0
    max_slower: float | None = 1.05
    max_larger: float | None = 2.0
    max_training: float = 2.0
    refits: int = 3
    seed: int = 0
