"""The base rate of carrier × hour."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from flights.baseline import BaseRate


def test_rates_are_shrunk_to_the_overall_rate_and_unseen_groups_have_it() -> None:
    frame = pd.DataFrame({"carrier": ["AA"] * 4 + ["UA"] * 4, "hour": [8] * 8})
    late = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    rate = BaseRate.fit(frame, late, prior=4.0)
    asked = pd.DataFrame({"carrier": ["AA", "UA", "AA"], "hour": [8, 8, 9]})
    assert rate.predict(asked).tolist() == pytest.approx([0.75, 0.25, 0.5])
