"""A project with its own feature code, for tests of packages: written to a folder and imported from there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FEATURES = """
from nbship.model import to_local

from .amounts import log_price
from shop import amounts


def features(columns):
    local = to_local(columns["ordered"], "Europe/Berlin")
    hour = (local - local.astype("datetime64[D]")) / np.timedelta64(1, "h")
    return {"shop": columns["shop"], "hour": hour, "price": log_price(columns["price"]) * amounts.FACTOR,
            "pieces": columns["pieces"], "gift": columns["gift"], "rain": columns["rain"]}
"""


def write_project(folder: Path, *, factor: float = 1.0) -> Path:
    """Write the modules `shop.features` and `shop.amounts`, and an unused one."""
    package = folder / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "features.py").write_text(f'"""Features."""\nimport numpy as np\n{FEATURES}')
    (package / "amounts.py").write_text(
        f"import numpy as np\n\nFACTOR = {factor}\n\n\ndef log_price(price):\n    return np.log1p(price)\n"
    )
    (package / "unused.py").write_text("raise RuntimeError('nobody imports this')\n")
    return folder


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Make the project in `folder` importable inside the block."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            del sys.modules[name]


def make_orders(count: int = 1500, *, seed: int = 0) -> pd.DataFrame:
    """Return orders, with the rain looked up by shop and hour."""
    random = np.random.default_rng(seed)
    orders = pd.DataFrame(
        {
            "ordered": (
                pd.Timestamp("2024-03-01", tz="UTC")
                + pd.to_timedelta(random.integers(0, 60 * 24 * 40, count), unit="min")
            ).as_unit("us"),
            "shop": pd.Series(random.choice(["north", "south", "west"], count), dtype=object),
            "customer": pd.Series([f"person {n}" for n in range(count)], dtype=object),
            "price": random.gamma(2, 20, count).round(2),
            "pieces": pd.array(np.where(random.random(count) < 0.1, None, random.integers(1, 9, count)), dtype="Int64"),
            "gift": random.random(count) < 0.2,
        }
    )
    return rain().join(orders)


def rain() -> Any:
    """Return the lookup."""
    from nbship.data.lookups import Key, Lookup

    hours = pd.date_range("2024-03-01", "2024-04-05", freq="h", tz="UTC", unit="us")
    table = pd.DataFrame(
        {"shop": np.repeat(np.array(["north", "south"], dtype=object), len(hours)), "hour": [*hours, *hours]}
    )
    table["rain"] = (np.arange(len(table)) % 37 / 7).round(3)
    return Lookup("rain", keys=("shop", Key("ordered", to="hour", floor="h")), columns=("rain",), table=table)


def returned(orders: pd.DataFrame, *, kind: str = "binary") -> Any:
    """Return the target of orders: boolean (binary), strings (multiclass) or amounts (regression)."""
    drive = (
        orders["price"] / 40
        + orders["gift"]
        - orders["rain"].fillna(3) / 3
        + orders["pieces"].astype(float).fillna(0) / 8
    )
    noise = np.random.default_rng(5).normal(0, 0.5, len(orders))
    score = (drive + noise).to_numpy()
    if kind == "regression":
        return score
    return np.where(score > 1, "all", np.where(score > 0, "some", "none")) if kind == "multiclass" else score > 0.4


def make_estimator(kind: str) -> Any:
    """Return a fitted estimator; `shop.features` must be importable."""
    from shop.features import features
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from nbship.model import ColumnFeatures

    orders = make_orders()
    first = ColumnFeatures(features, categorical=("shop",))
    boost: dict[str, Any] = {"categorical_features": [0], "max_iter": 20, "random_state": 0, "early_stopping": False}
    if kind == "linear":
        columns = ColumnTransformer(
            [
                ("shop", OneHotEncoder(handle_unknown="ignore"), [0]),
                ("rest", make_pipeline(SimpleImputer(), StandardScaler()), [1, 2, 3, 4, 5]),
            ]
        )
        return make_pipeline(first, columns, LogisticRegression(max_iter=500)).fit(orders, returned(orders))
    if kind == "forest":
        forest = RandomForestClassifier(20, min_samples_leaf=5, random_state=0)
        return make_pipeline(first, forest).fit(orders, returned(orders))
    if kind == "regression":
        return make_pipeline(first, HistGradientBoostingRegressor(**boost)).fit(orders, returned(orders, kind=kind))
    target = returned(orders, kind="multiclass" if kind == "multiclass" else "binary")
    return make_pipeline(first, HistGradientBoostingClassifier(**boost)).fit(orders, target)


def shop_signature() -> Any:
    """Return the signature, inferred from the orders."""
    from nbship.model import Signature

    return Signature.infer(
        make_orders(),
        event_time="ordered",
        keys=("ordered", "customer"),
        lookups={"rain": ("rain",)},
        fields={
            "customer": {"pii": True},
            "price": {"minimum": 0, "unit": "€"},
            "ordered": {"timezone": "Europe/Berlin"},
            "shop": {"categories": ("north", "south", "west")},
        },
    )


def build_shop(folder: Path, kind: str = "binary", **changes: Any) -> Any:
    """Build the package and return its manifest; `shop.features` must be importable."""
    from nbship.model import Provenance, build_package

    orders = make_orders()
    options = {
        "name": "shop", "estimator": changes.pop("estimator", None) or make_estimator(kind), "signature": shop_signature(),
        "golden": make_orders(600, seed=3), "reference": orders, "lookups": (rain(),), "provenance": Provenance(data={"orders.csv": "ab"}),
        "card": {"purpose": "Which orders come back?", "limits": "Made for tests.", "metrics": {"auc": 0.7512}},
    }  # fmt: skip
    return build_package(folder, **{**options, **changes})
