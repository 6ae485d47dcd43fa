"""Estimators as skops files in a canonical form: the same model gives the same bytes.

skops writes memory addresses and times. Here, object ids are numbered in order of appearance, and the entries of the
archive have no time. The nodes of trees have unused bytes, which are zero. Large estimators are compressed, their trees column by column: a forest takes a
sixth of its size.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from ...errors import CorruptPackageError, PackageError, VersionMismatchError
from ...text import first_line
from ..canonical_zip import write_zip
from ..packed_trees import is_packed, pack_trees, unpack_trees
from . import boosters
from .inner import nested
from .soundness import check_indices

__all__ = ["TRUSTED", "dump_estimator", "load_estimator_bytes", "types_in"]

# Trusted in addition to the types that skops trusts: module -> names. The list is here, in the loader, and never in a
# model file. It holds classes without side effects, and functions that only calculate.
_TRUSTED = {
    # Boosting with categorical features holds a partial of `check_array`. The function of a partial is audited itself.
    "functools": ("partial",),
    "numpy": ("clip", "dtype", "mean", "nan_to_num"),
    "scipy._lib.array_api_compat.numpy._aliases": ("asarray",),
    "scipy.interpolate._bsplines": ("BSpline",),
    "scipy.sparse._csr": ("csr_matrix", "csr_array"),
    "sklearn._loss.loss": (
        *("AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss", "HalfMultinomialLoss"),
        *(
            "HalfPoissonLoss",
            "HalfSquaredError",
            "HalfTweedieLoss",
            "HalfTweedieLossIdentity",
            "HuberLoss",
            "PinballLoss",
        ),
    ),
    "sklearn.calibration": ("_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling"),
    "sklearn.cluster._bisect_k_means": ("_BisectingTree",),
    "sklearn.cluster._kmeans": ("_kmeans_single_elkan", "_kmeans_single_lloyd"),
    "sklearn.compose._column_transformer": ("_RemainderColsList", "make_column_selector"),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),
    "sklearn.feature_selection._mutual_info": ("mutual_info_classif", "mutual_info_regression"),
    "sklearn.feature_selection._univariate_selection": ("chi2", "f_classif", "f_regression", "r_regression"),
    "sklearn.gaussian_process._gpc": ("_BinaryGaussianProcessClassifierLaplace",),
    "sklearn.gaussian_process.kernels": (
        *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Hyperparameter"),
        *("Matern", "PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel"),
    ),
    "sklearn.impute._iterative": ("IterativeImputer", "_ImputerTriplet"),
    "sklearn.metrics._dist_metrics": (
        *("BrayCurtisDistance64", "CanberraDistance64", "ChebyshevDistance64", "DiceDistance64", "EuclideanDistance64"),
        *("HammingDistance64", "HaversineDistance64", "JaccardDistance64", "MahalanobisDistance64"),
        *("ManhattanDistance64", "MinkowskiDistance64", "RogersTanimotoDistance64", "RussellRaoDistance64"),
        *("SEuclideanDistance64", "SokalSneathDistance64"),
    ),
    "sklearn.model_selection._split": (
        *("GroupKFold", "GroupShuffleSplit", "KFold", "LeaveOneGroupOut", "LeaveOneOut", "PredefinedSplit"),
        *("RepeatedKFold", "RepeatedStratifiedKFold", "ShuffleSplit", "StratifiedGroupKFold", "StratifiedKFold"),
        *("StratifiedShuffleSplit", "TimeSeriesSplit"),
    ),
    "sklearn.multiclass": ("_ConstantPredictor",),
    "sklearn.neighbors._ball_tree": ("BallTree",),
    "sklearn.neighbors._kd_tree": ("KDTree",),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    "sklearn.tree._tree": ("Tree",),
    "sklearn.utils._bunch": ("Bunch",),
    "sklearn.utils.validation": ("check_array",),
}
TRUSTED = frozenset(f"{module}.{name}" for module, names in (_TRUSTED | boosters.TRUSTED).items() for name in names)
# Larger estimators, in bytes, are compressed, unless they would unpack to more than this multiple of the file's size.
_LARGE, _MOST_RATIO = 16 << 20, 64
_OWN = frozenset({"model.features.ColumnFeatures", "model.backends.boosters.XGBoostModel"})


def dump_estimator(estimator: Any) -> bytes:
    """Return a fitted estimator as a canonical skops file."""
    import skops.io

    try:
        stored = skops.io.dumps(boosters.portable(estimator))
    except PackageError:
        raise
    except Exception as error:
        raise PackageError(_not_stored(estimator, error)) from error
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        schema = json.loads(archive.read("schema.json"))
        files: dict[str, str] = {}
        _renumber(schema, ids={}, files=files)
        entries = {new: _without_padding(archive.read(old)) for old, new in files.items()}
    entries["schema.json"] = json.dumps(schema, indent=1).encode()
    size = sum(map(len, entries.values()))
    if size > _LARGE:
        packed = pack_trees(entries)
        # Whatever a later version of NumPy or skops writes is stored so that it comes back, byte for byte.
        if packed != entries and unpack_trees(packed) != entries:
            packed = entries
        if size <= _MOST_RATIO * len(small := write_zip(packed, compressed=True)):
            return small
    return write_zip(entries)


def _not_stored(estimator: Any, error: Exception) -> str:
    """Return the sentence for an estimator that skops cannot store, with the attribute where it finds one."""
    import skops.io

    reason = first_line(error, otherwise=type(error).__name__).rstrip(".")
    for each in nested(estimator):
        if type(each).__module__.startswith("sklearn."):
            continue
        for name, value in vars(each).items():
            with suppress(Exception):
                skops.io.dumps(boosters.portable(value))
                continue
            return (
                f"{type(each).__name__} cannot be stored, as its attribute '{name}' is of type '{type(value).__name__}': {reason}. Keep it as "
                "arrays of NumPy, lists or dictionaries of plain values."
            )
    return f"{type(estimator).__name__} cannot be stored: {reason}. Choose another estimator."


def load_estimator_bytes(data: bytes, *, code: Collection[str] = (), renamed: Mapping[str, str] | None = None) -> Any:
    """Load an estimator after an audit of its types.

    Parameters
    ----------
    code
        Top-level packages of verified project code, whose types are trusted.
    renamed
        Name of a top-level package in the file -> its name in this process.

    Raises
    ------
    CorruptPackageError
        If the file needs a type that is not trusted, or is not a skops file.
    VersionMismatchError
        If it needs XGBoost, LightGBM or CatBoost, which is not installed.
    """
    import skops.io

    own = __name__.rsplit(".", 3)[0]
    renamed = {"nbship": own, **(renamed or {})}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # A file that would fill the memory is not read.
            size = sum(entry.file_size for entry in archive.infolist())
            if size > max(_LARGE, _MOST_RATIO * len(data)):
                raise CorruptPackageError(
                    f"The model file has {len(data):,} bytes and would unpack to {size:,}. Build the package again."
                )
        data = _rename(_unpacked(data), renamed)
        boosters.check_installed(types_in(data))
        trusted = {
            renamed_type(name, renamed)
            for name in _allowed(types_in(data), code={renamed.get(c, c) for c in code}, own=own)
        }
        estimator = boosters.restored(skops.io.loads(data, trusted=sorted(trusted)))
        check_indices(estimator)
        return estimator
    except (CorruptPackageError, VersionMismatchError):
        raise
    except Exception as error:
        reason = first_line(error, otherwise=type(error).__name__)
        raise CorruptPackageError(f"The model file cannot be loaded: {reason}. Build the package again.") from error


def types_in(data: bytes) -> list[str]:
    """Return the types in a skops file that skops does not trust by default."""
    import skops.io

    return list(skops.io.get_untrusted_types(data=_unpacked(data)))


def _unpacked(data: bytes) -> bytes:
    """Return a file as skops reads it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if not is_packed(archive.namelist()):
            return data
        return write_zip(unpack_trees({name: archive.read(name) for name in archive.namelist()}))


def renamed_type(name: str, renamed: Mapping[str, str]) -> str:
    """Return a dotted name with its top-level package renamed."""
    top, dot, rest = name.partition(".")
    return f"{renamed.get(top, top)}{dot}{rest}"


def _allowed(types: Collection[str], *, code: Collection[str], own: str) -> list[str]:
    for name in types:
        trusted = name in TRUSTED or any(name == f"{own}.{inner}" for inner in _OWN)
        if not trusted and not any(name.startswith(f"{package}.") for package in code):
            library = name.partition(".")[0]
            remedy = "Use a scikit-learn estimator, or define the type in the project's own modules"
            if library in ("numpy", "scipy") and name.rpartition(".")[2].islower():
                remedy = f"nbship does not know this function of {library}: call it in a function of the project's own modules"
            elif library in ("numpy", "scipy", "sklearn"):
                remedy = (
                    f"nbship does not know this part of {library}: choose another estimator, or ask for it in an issue"
                )
            elif library in boosters.LIBRARIES:
                remedy = f"Use a classifier or regressor of {library}"
            raise CorruptPackageError(
                f"The model file holds an object of type '{name}', which is not trusted. {remedy}."
            )
    return list(types)


def _without_padding(content: bytes) -> bytes:
    """Return an array of structures with zeros in the bytes between their fields; other content unchanged."""
    if not (content.startswith(b"\x93NUMPY") and b"'descr': [(" in content[:128]):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    packed = np.zeros(array.shape, dtype=array.dtype)
    for name in array.dtype.names:
        packed[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, packed, allow_pickle=False)
    return buffer.getvalue()


def _renumber(node: Any, *, ids: dict[Any, int], files: dict[str, str]) -> None:
    if isinstance(node, list):
        for inner in node:
            _renumber(inner, ids=ids, files=files)
    elif isinstance(node, dict):
        if "__id__" in node:
            # Equal literals may or may not be one object, depending on the interpreter: number each occurrence.
            key = len(ids), "literal" if node.get("__loader__") == "JsonNode" else node["__id__"]
            node["__id__"] = ids.setdefault(key if key[1] == "literal" else node["__id__"], len(ids) + 1)
        for name, inner in node.items():
            if name == "file" and isinstance(inner, str):
                suffix = inner[inner.rindex(".") :] if "." in inner else ""
                node[name] = files.setdefault(inner, f"{len(files):05d}{suffix}")
            else:
                _renumber(inner, ids=ids, files=files)


def _rename(data: bytes, renamed: Mapping[str, str]) -> bytes:
    if all(old == new for old, new in renamed.items()):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(entries["schema.json"])
    _rename_modules(schema, renamed)
    return write_zip({**entries, "schema.json": json.dumps(schema).encode()})


def _rename_modules(node: Any, renamed: Mapping[str, str]) -> None:
    if isinstance(node, dict):
        if isinstance(node.get("__module__"), str):
            node["__module__"] = renamed_type(node["__module__"], renamed)
        for inner in node.values():
            _rename_modules(inner, renamed)
    elif isinstance(node, list):
        for inner in node:
            _rename_modules(inner, renamed)
