from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbship.errors import StageError
from nbship.notebook.results import canonical_json, plot_records, write_whole


def test_same_numbers_same_text_whatever_their_library():
    plain = {"auc": 0.1 + 0.2, "n": 3, "yes": True, "by": {"7": [1.0, 2.0]}}
    numpy = {"by": {7: np.array([1.0, 2.0])}, "yes": np.bool_(True), "n": np.int64(3), "auc": np.float64(0.1 + 0.2)}
    assert canonical_json(plain) == canonical_json(numpy)
    assert json.loads(canonical_json(numpy)) == plain


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float64("nan"), np.array([1.0, np.nan])])
def test_nan_is_refused_by_its_place(bad):
    with pytest.raises(StageError, match=r"'slices\.auc(\[1\])?' is (nan|inf)"):
        canonical_json({"slices": {"auc": bad}})


def test_a_frame_is_a_plot():
    frame = pd.DataFrame({"x": [1, 2], "y": [0.5, 0.25]})
    assert canonical_json(plot_records(frame)) == canonical_json([{"x": 1, "y": 0.5}, {"x": 2, "y": 0.25}])


def test_a_plot_without_y_is_refused():
    with pytest.raises(StageError, match="Record 0 of the plot has the columns 'x', 'mean'"):
        plot_records([{"x": 1, "mean": 2}])


def test_writing_leaves_a_linked_cache_object_alone(tmp_path: Path):
    cached, product = tmp_path / "cached", tmp_path / "product.json"
    cached.write_text("old")
    os.link(cached, product)
    write_whole(product, "new")
    assert (cached.read_text(), product.read_text()) == ("old", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cached", "product.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    product = tmp_path / "product.json"
    write_whole(product, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(product, "\ud800")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
