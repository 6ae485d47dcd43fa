"""The model of a package, from its verified files: columns in, answers out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CorruptPackageError, VersionMismatchError
from .code import install_code
from .columns import Column, ColumnFeatures, Columns
from .formats.boosting import shorten
from .formats.skops import load_estimator_bytes
from .lookup_files import load_lookups
from .manifest import Manifest
from .provenance import Provenance
from .rows import Rows
from .signature import Signature

if TYPE_CHECKING:
    import pandas as pd

    from ..data.lookups import Lookup

__all__ = ["PackagedModel", "Predictions", "file_of"]

# Libraries whose minor versions a model's numbers hang on.
_GUARDED = ("scikit-learn", "numpy", "skops")
_BLOCK = 256
# Up to so many rows, threads cost more than they save: they wait for each other longer than they work.
_FEW = 5_000


@dataclass(frozen=True)
class Predictions:
    """Outputs, one array a kind, each of shape (rows,); a kind that the model does not have is None.

    Attributes
    ----------
    label
        The class.
    probability
        Of the positive class, or of the label where the signature names none; 0 to 1.
    value
        The number that a regression gives, in the signature's unit.
    """

    label: Column | None = None
    probability: Column | None = None
    value: Column | None = None

    def columns(self) -> dict[str, Column]:
        """Return the kinds that there are."""
        found = {"label": self.label, "probability": self.probability, "value": self.value}
        return {kind: column for kind, column in found.items() if column is not None}

    def __len__(self) -> int:
        return len(next(iter(self.columns().values())))

    def to_frame(self) -> pd.DataFrame:
        """Return a frame with a column for each kind."""
        import pandas as pd

        return pd.DataFrame(self.columns())


class PackagedModel:
    """What a package's files hold, ready to answer."""

    def __init__(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        self.signature = Signature.from_json(_json(files, "signature.json"))
        self.provenance = Provenance.from_json(_json(files, "provenance.json"))
        _refuse_versions(self.provenance.libraries, name=manifest.name)
        code = {path.removeprefix("code/"): data for path, data in files.items() if path.startswith("code/")}
        renamed = install_code(manifest.digest, code)
        self.estimator = shorten(load_estimator_bytes(file_of(files, "model.skops"), code=renamed, renamed=renamed))
        self.lookups: tuple[Lookup, ...] = load_lookups(files)
        self._takes_columns = isinstance(_steps(self.estimator)[0], ColumnFeatures)
        self._row_by_row = all(type(step).__name__ in _ROW_BY_ROW for step in _flat(self.estimator))

    def complete(self, rows: Rows) -> Columns:
        """Return the columns that the model computes on, lookups included."""
        columns = dict(rows.columns)
        for lookup in self.lookups:
            absent = {name: mask for name, mask in rows.absent.items() if name in lookup.columns}
            if absent:
                columns = lookup.attach(columns, absent=absent)
        return columns

    def answer(self, columns: Columns) -> Predictions:
        """Predict from complete columns.

        A row's answer does not depend on the rows beside it, to the bit.
        """
        from sklearn import config_context

        data = columns if self._takes_columns else to_frame(columns, self.signature)
        label = self.signature.output("label")
        with (
            _threads(len(next(iter(columns.values())))),
            config_context(assume_finite=True, skip_parameter_validation=True),
        ):
            if label is None:
                return Predictions(value=np.asarray(self._call(self.estimator.predict, data), dtype=np.float64))
            if not hasattr(self.estimator, "predict_proba"):
                return Predictions(label=np.asarray(self._call(self.estimator.predict, data)))
            return self._classified(np.asarray(self._call(self.estimator.predict_proba, data), dtype=np.float64))

    def _classified(self, probabilities: Column) -> Predictions:
        classes = np.asarray(self.estimator.classes_)
        output, label = self.signature.output("probability"), self.signature.output("label")
        likeliest = probabilities.argmax(axis=1)
        if output is None or output.positive is None:
            return Predictions(label=classes[likeliest], probability=probabilities.max(axis=1))
        positive = classes.tolist().index(output.positive)
        probability = probabilities[:, positive]
        if label is not None and label.threshold is not None and len(classes) == 2:
            likeliest = np.where(probability >= label.threshold, positive, 1 - positive)
        return Predictions(label=classes[likeliest], probability=probability)

    def _call(self, function: Callable[[Any], Column], data: Any) -> Column:
        """Call an estimator so that no row's numbers hang on how many rows there are.

        Products of matrices add in an order that depends on their shape, so these get blocks of one shape.
        """
        if self._row_by_row:
            return function(data)
        return np.concatenate([function(block)[:rows] for block, rows in _blocks(data)])


# Estimators whose answer for a row is computed from that row alone, number by number.
_ROW_BY_ROW = {
    *("ColumnFeatures", "ColumnTransformer", "FeatureUnion", "FunctionTransformer", "SimpleImputer", "str"),
    *("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "OneHotEncoder", "OrdinalEncoder", "NoneType"),
    *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "GradientBoostingClassifier"),
    *("GradientBoostingRegressor", "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier"),
    *("ExtraTreesRegressor", "DecisionTreeClassifier", "DecisionTreeRegressor"),
}


def _threads(rows: int) -> AbstractContextManager[Any]:
    return _pools().limit(limits=1) if rows <= _FEW else nullcontext()


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")


def _steps(estimator: Any) -> list[Any]:
    return [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]


def _flat(estimator: Any) -> Iterator[Any]:
    for step in _steps(estimator):
        if hasattr(step, "steps"):
            yield from _flat(step)
        else:
            yield step
            for _, inner, *_ in [*getattr(step, "transformers_", ()), *getattr(step, "transformer_list", ())]:
                yield from _flat(inner)


def _blocks(data: Any) -> Iterator[tuple[Any, int]]:
    rows = len(data) if not isinstance(data, Mapping) else len(next(iter(data.values())))
    for start in range(0, rows, _BLOCK):
        places = np.minimum(np.arange(start, start + _BLOCK), rows - 1)
        taken = (
            {name: column[places] for name, column in data.items()} if isinstance(data, Mapping) else data.iloc[places]
        )
        yield taken, min(_BLOCK, rows - start)


def to_frame(columns: Columns, signature: Signature) -> pd.DataFrame:
    """Return columns as the frame that an estimator was trained on: times are zoned UTC, texts are objects."""
    import pandas as pd

    frame = pd.DataFrame({name: pd.Series(columns[name], dtype=columns[name].dtype) for name in signature.names})
    times = [field.name for field in signature.inputs if field.dtype == "datetime"]
    return frame.assign(**{name: frame[name].dt.tz_localize("UTC") for name in times})


def _refuse_versions(libraries: Mapping[str, str], *, name: str) -> None:
    here = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    here |= {library: metadata.version(library) for library in _GUARDED if library in libraries}
    for library, version in here.items():
        made = libraries.get(library, version)
        if _minor(made) != _minor(version):
            remedy = f"Install it: `pip install '{library}=={made}'`" if library != "python" else f"Use Python {made}"
            raise VersionMismatchError(
                f"Package '{name}' was made with {library} {made}, and here is {version}. {remedy}, or make the package again here."
            )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def file_of(files: Mapping[str, bytes], path: str) -> bytes:
    if path not in files:
        raise CorruptPackageError(f"The package has no '{path}'. Make it again.")
    return files[path]


def _json(files: Mapping[str, bytes], path: str) -> Any:
    try:
        return json.loads(file_of(files, path))
    except ValueError as error:
        raise CorruptPackageError(f"'{path}' of the package is not JSON. Make the package again.") from error
