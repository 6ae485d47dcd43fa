from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from nbship.errors import StageError
from nbship.notebook.results import canonical_json, plot_records


def test_equal_numbers_render_alike():
    plain = {"auc": 0.1 + 0.2, "n": 3, "yes": True, "by": {"7": [1.0, 2.0]}}
    numpy = {"by": {7: np.array([1.0, 2.0])}, "yes": np.bool_(True), "n": np.int64(3), "auc": np.float64(0.1 + 0.2)}
    assert canonical_json(plain) == canonical_json(numpy)
    assert json.loads(canonical_json(numpy)) == plain


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float64("nan"), np.array([1.0, np.nan])])
def test_nan_is_an_error_with_its_path(bad):
    with pytest.raises(StageError, match=r"'slices\.auc(\[1\])?' is (nan|inf)"):
        canonical_json({"slices": {"auc": bad}})


def test_a_frame_is_a_plot():
    frame = pd.DataFrame({"x": [1, 2], "y": [0.5, 0.25]})
    assert canonical_json(plot_records(frame)) == canonical_json([{"x": 1, "y": 0.5}, {"x": 2, "y": 0.25}])


def test_a_plot_without_y_is_an_error():
    with pytest.raises(StageError, match="Record 0 of the plot has the columns 'x', 'mean'"):
        plot_records([{"x": 1, "mean": 2}])
