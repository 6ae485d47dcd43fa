"""With an unknown version of scikit-learn, the package uses the scikit-learn backend and stores the reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import sklearn
from families import FAMILIES, fitted, make_rows, make_signature, some_of
from sklearn.base import BaseEstimator
from sklearn.naive_bayes import GaussianNB

from nbship.errors import NotCompilableError
from nbship.model.compiler import conversion
from nbship.model.compiler.choose import Choice, choose_backend
from nbship.model.signature import columns_of

COMPILER = "nbship.model.compiler."


@contextmanager
def watched(hidden: str | None = None) -> Iterator[set[str]]:
    """Yield the attributes of estimators that the compiler reads; the attribute `hidden` does not exist for it."""
    read: set[str] = set()

    def get(self: Any, name: str) -> Any:
        if sys._getframe(1).f_globals.get("__name__", "").startswith(COMPILER) and not name.startswith("__"):
            read.add(name)
            if name == hidden:
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return object.__getattribute__(self, name)

    BaseEstimator.__getattribute__ = get
    try:
        yield read
    finally:
        del BaseEstimator.__getattribute__


def choice_of(name: str) -> Choice:
    return choose_backend(fitted(name), make_signature(), columns=columns_of(make_rows()), code={})


# Families of models that together have every attribute that the compiler reads.
READING = ["transformed target", "logistic, three classes", "tree", "boosting, categories", "boosting, curved columns", "gradient boosting", "voting", "voting with naive Bayes", "calibrated", "calibrated boosting", "network", "naive Bayes of flags", "quadratic discriminants", "tweedie", "principal components", "independent components", "polynomials", "rows of length 1", "random kernel", "random projection", "support vectors"]  # fmt: skip


@cache
def attributes_of(name: str) -> frozenset[str]:
    with watched() as read:
        assert choice_of(name).name == FAMILIES[name].path
    return frozenset(read)


@pytest.mark.parametrize("name", some_of(READING, 8))
def test_a_missing_private_attribute_does_not_stop_packaging(name: str) -> None:
    before = READING[: READING.index(name)]
    hidden = attributes_of(name).difference(*map(attributes_of, before))
    assert hidden
    gone = {}
    for attribute in sorted(hidden):
        with watched(hidden=attribute):
            gone[attribute] = choice_of(name)
    # With any attribute hidden, the chosen backend has a proof, and the others have a reason.
    for choice in gone.values():
        assert choice.name == "tables" or choice.report["tables"].startswith(("Not compiled: ", "Not proven: "))
    assert name in ("voting with naive Bayes", "support vectors") or any(
        choice.name != "tables" for choice in gone.values()
    )


def test_every_attribute_of_every_family_is_hidden_once(full: bool) -> None:
    names = FAMILIES if full else ["ridge", "linear support vectors", "neighbours", "transformed target"]
    assert frozenset().union(*map(attributes_of, names)) <= frozenset().union(*map(attributes_of, READING))


def test_an_untested_version_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched() as read:
        choice_of("logistic")
    monkeypatch.setattr(sklearn, "__version__", "9.1.0")
    with watched(hidden="coef_" if "coef_" in read else sorted(read)[0]):
        reason = choice_of("logistic").report["tables"]
    assert "tested with scikit-learn 1.7 to 1.9, not with 9.1.0 (AttributeError" in reason


def test_a_conversion_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_TIME", 0.05)
    estimator = GaussianNB().fit([[1.0], [2.0]], [0, 1])
    with pytest.raises(NotCompilableError, match=r"skl2onnx did not convert it in 0\.05 s"):
        conversion.convert(estimator)
