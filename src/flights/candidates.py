"""The candidate models, from the simplest to the most complex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nbship.model import ColumnFeatures
from nbship.training import Candidate

from .features import CATEGORICAL, NUMERIC, features

__all__ = ["boosting", "candidates", "forest", "logistic"]

_CATEGORIES = list(range(len(CATEGORICAL)))
_HOUR = len(CATEGORICAL) + NUMERIC.index("departure_hour")
_WEEKDAY = len(CATEGORICAL) + NUMERIC.index("weekday")
_OTHERS = [len(CATEGORICAL) + NUMERIC.index(name) for name in NUMERIC if name not in ("departure_hour", "weekday")]


def candidates(grids: Mapping[str, Mapping[str, Sequence[Any]]], *, seed: int) -> tuple[Candidate, ...]:
    """Return the candidates, simplest first.

    Parameters
    ----------
    grids
        The grids of `logistic` (C), `forest` (leaf) and `boosting` (iterations), simplest first.
    seed
        The random seed of the forest and the boosting.
    """
    return (
        Candidate("logistic regression", logistic, grids["logistic"]),
        Candidate("random forest", partial(forest, seed=seed), grids["forest"]),
        Candidate("gradient boosting", partial(boosting, seed=seed), grids["boosting"]),
    )


def logistic(*, C: float) -> Any:  # noqa: N803 (scikit-learn's name)
    """Logistic regression on indicators of categories, weekday and time of day, and scaled numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore"), [*_CATEGORIES, _WEEKDAY]),
            ("hour", KBinsDiscretizer(n_bins=12, quantile_method="averaged_inverted_cdf"), [_HOUR]),
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), _OTHERS),
        ]
    )
    return make_pipeline(_features(), columns, LogisticRegression(C=C, max_iter=1000))


def forest(*, leaf: int, seed: int, trees: int = 60) -> Any:
    """Random forest; each tree sees a third of the rows, each split a third of the features."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    model = RandomForestClassifier(
        trees, min_samples_leaf=leaf, max_features=1 / 3, max_samples=1 / 3, random_state=seed
    )
    return make_pipeline(_features(), model)


def boosting(*, iterations: int, seed: int, rate: float = 0.05, leaves: int = 15) -> Any:
    """Gradient boosting on histograms, with native categories and missing values."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline

    model = HistGradientBoostingClassifier(
        learning_rate=rate,
        max_iter=iterations,
        max_leaf_nodes=leaves,
        min_samples_leaf=200,
        l2_regularization=10.0,
        categorical_features=_CATEGORIES,
        early_stopping=False,
        random_state=seed,
    )
    return make_pipeline(_features(), model)


def _features() -> ColumnFeatures:
    return ColumnFeatures(features, categorical=CATEGORICAL)
