"""Columns of many different values, and trees of many leaves, are compiled in little memory and time, or not at all."""

from __future__ import annotations

import multiprocessing
import resource
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from nbship.model import Signature
from nbship.model.compiler import bin_values, choose_backend
from nbship.model.signature import columns_of


def towns(count: int) -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(0)
    rows = max(2000, count)
    town = pd.Series([f"town {number % count}" for number in range(rows)], dtype=object)
    return pd.DataFrame({"town": town, "size": random.normal(size=rows)}), np.arange(rows) % 7 + random.normal(
        size=rows
    )


def packaged(encoder: Any, estimator: Any, count: int) -> Any:
    frame, value = towns(count)
    encoded = make_column_transformer((encoder, ["town"]), remainder="passthrough")
    # OpenMP's threads are not in a fork, which would wait for them.
    with threadpool_limits(1, user_api="openmp"):
        fitted = make_pipeline(encoded, estimator).fit(frame, value)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        choice = choose_backend(fitted, Signature.infer(frame), columns=columns_of(frame), code={})
    return choice.report, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def in_child(*args: Any) -> Any:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(packaged, args)


ENCODERS = {
    "one-hot, linear": (OneHotEncoder(handle_unknown="ignore"), Ridge()),
    "one-hot, forest": (OneHotEncoder(handle_unknown="ignore"), RandomForestRegressor(10, max_depth=8)),
    "ordinal": (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), HistGradientBoostingRegressor(max_iter=10)),
    "target": (TargetEncoder(), DecisionTreeRegressor(max_depth=8)),
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_over_many_values_are_compiled_in_little_memory(name: str, full: bool) -> None:
    report, memory = in_child(*ENCODERS[name], 60_000 if full else 6_000)
    assert report["path"] == "tables", report
    # The dense matrix of 6,000 values takes 288 MB, that of 60,000 takes 28.8 GB.
    assert memory < (500 << 20 if full else 100 << 20)


def test_columns_that_are_not_sparse_are_compared_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scaled one-hot column has no zeros; the matrix is computed in parts of a few rows."""
    encoder = make_pipeline(OneHotEncoder(handle_unknown="ignore", sparse_output=False), StandardScaler())
    monkeypatch.setattr(bin_values, "_PART", 1 << 14)
    report = packaged(encoder, Ridge(), 150)[0]
    assert (report["path"], report["proof"]["largest_difference"] <= 1e-12) == ("tables", True)


@pytest.mark.parametrize(("limit", "reason"), [("_LARGEST", "MB"), ("_SLOW", "GB before they are compressed")])
def test_values_that_would_take_too_much_memory_are_the_reason(
    limit: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bin_values, limit, 1000)
    report = packaged(OneHotEncoder(handle_unknown="ignore", sparse_output=False), Ridge(), 150)[0]
    assert report["path"] == "sklearn"
    assert report["tables"].startswith("Not compiled: the values of its bins would take ")
    assert report["tables"].endswith(f" {reason}.")


def test_a_tree_of_many_leaves_is_compiled_in_seconds(full: bool) -> None:
    random = np.random.default_rng(0)
    rows = 100_000 if full else 12_000
    frame = pd.DataFrame(random.normal(size=(rows, 3)), columns=list("abc"))
    value = frame["a"] + random.normal(size=rows)
    tree = DecisionTreeRegressor(random_state=0).fit(frame, value)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    report = choose_backend(tree, Signature.infer(frame), columns=columns_of(frame), code={}).report
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - start < 10
    assert report["path"] == "nodes"
    assert report["proof"]["largest_difference"] == 0.0
