"""Estimators of XGBoost, LightGBM and CatBoost, with their models in the libraries' own formats.

LightGBM's state is its model as a string, and CatBoost's its binary format. XGBoost's state is a memory snapshot that
another version may not read, so a skops file holds XGBoost's JSON instead. The libraries are imported by name: a
package of another model needs none of them.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from functools import partial, update_wrapper
from importlib.util import find_spec
from typing import Any

from ...errors import PackageError, VersionMismatchError
from .inner import nested

__all__ = [
    "LIBRARIES",
    "TRUSTED",
    "XGBoostModel",
    "check_installed",
    "labels_of",
    "libraries_in",
    "library_of",
    "portable",
    "restored",
    "use_one_thread",
    "value_errors",
]

LIBRARIES = ("xgboost", "lightgbm", "catboost")
# Module -> names of the types in skops files.
TRUSTED = {
    "catboost.core": ("CatBoost", "CatBoostClassifier", "CatBoostRegressor"),
    "collections": ("OrderedDict",),
    "lightgbm.basic": ("Booster",),
    "lightgbm.sklearn": ("LGBMClassifier", "LGBMRegressor"),
    "xgboost.sklearn": ("XGBClassifier", "XGBRFClassifier", "XGBRFRegressor", "XGBRegressor"),
}
# What CatBoost stores with a model and differs at each fit.
_FIT = ("model_guid", "train_finish_time")
# The losses of CatBoost that are for several labels a row.
_LOSSES_OF_LABELS = ("MultiLogloss", "MultiCrossEntropy")


class XGBoostModel:
    """The model of an XGBoost estimator as XGBoost's JSON, in the place of its booster."""

    def __init__(self, booster: Any) -> None:
        self.json = bytes(booster.save_raw("json"))

    def load(self) -> Any:
        """Return the booster."""
        booster = importlib.import_module(LIBRARIES[0]).Booster()
        booster.load_model(bytearray(self.json))
        return booster


def library_of(estimator: Any) -> str:
    """Return the library of an estimator: "xgboost", "lightgbm", "catboost", or an empty string for others."""
    library = type(estimator).__module__.partition(".")[0]
    return library if library in LIBRARIES else ""


def labels_of(estimator: Any) -> int:
    """Return the number of labels of a multilabel classifier of XGBoost or CatBoost; 0 for other estimators."""
    library = library_of(estimator)
    if library == "xgboost" and hasattr(estimator, "predict_proba"):
        learner = json.loads(estimator.get_booster().save_config())["learner"]["learner_model_param"]
        several = int(learner["num_target"])
        return several if several > 1 else 0
    if library == "catboost" and estimator.get_all_params().get("loss_function") in _LOSSES_OF_LABELS:
        return len(estimator.classes_)
    return 0


def portable(estimator: Any) -> Any:
    """Return an estimator in a form that skops stores, with the same bytes for the same model; the given one is unchanged.

    Raises
    ------
    PackageError
        If a model of CatBoost reads words.
    """
    # The identity of an object -> what stands in its place; None for what is needed only to fit.
    replaced: dict[int, Any] = {}
    for each in nested(estimator):
        match library_of(each):
            # An average holds fitted copies, and the estimators that it copied.
            case "xgboost" if (booster := getattr(each, "_Booster", None)) is not None:
                replaced |= {id(booster): XGBoostModel(booster), id(each.callbacks): None}
            case "lightgbm" if each._Booster is not None:
                # A copy of LightGBM's booster would lose its best iteration.
                replaced |= {id(each._Booster): each._Booster, id(each._class_map): None}
            case "catboost" if each.is_fitted():
                if each.get_text_feature_indices():
                    # A copy of such a model, written again, ends the process that reads it (catboost/catboost#2826).
                    raise PackageError(
                        f"{type(each).__name__} has text features, which CatBoost cannot store a second time. Turn the column into numbers "
                        "before the model, such as with a TfidfVectorizer, or make it a category (cat_features=…)."
                    )
                replaced[id(each)] = copy(each)
                stored = replaced[id(each)].get_metadata()
                for name in _FIT:
                    if name in stored:
                        del stored[name]
    return deepcopy(estimator, replaced) if replaced else estimator


def restored(estimator: Any) -> Any:
    """Return a loaded estimator with its boosters in their places."""
    for each in nested(estimator):
        if isinstance(stored := getattr(each, "_Booster", None), XGBoostModel):
            each._Booster = stored.load()
    return estimator


def use_one_thread(estimator: Any) -> None:
    """Let an estimator of these libraries predict on one thread."""
    match library_of(estimator):
        case "xgboost":
            estimator.n_jobs = 1
            if (booster := getattr(estimator, "_Booster", None)) is not None:
                booster.set_param({"nthread": 1})
        case "lightgbm":
            estimator.n_jobs = 1
        case "catboost":
            for method in {"predict", "predict_proba"} & set(dir(estimator)):
                # scikit-learn asks for the name of the method, which a partial does not have.
                own = getattr(estimator, method)
                setattr(estimator, method, update_wrapper(partial(own, thread_count=1), own))


@contextmanager
def value_errors() -> Iterator[None]:
    """Raise the errors of CatBoost and LightGBM as `ValueError`, as scikit-learn and XGBoost raise those of a value."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ in ("CatBoostError", "LightGBMError"):
            raise ValueError(str(error)) from error
        raise


def libraries_in(types: Iterable[str]) -> list[str]:
    """Return those of the libraries that types, by their dotted names, belong to."""
    tops = {name.partition(".")[0] for name in types}
    return [library for library in LIBRARIES if library in tops]


def check_installed(types: Iterable[str]) -> None:
    """Check that the libraries of types are installed.

    Raises
    ------
    VersionMismatchError
        With the first library that is not.
    """
    for library in libraries_in(types):
        if find_spec(library) is None:
            raise VersionMismatchError(
                f"The model needs {library}, which is not installed. Install it: `pip install {library}`.",
                library=library,
            )
