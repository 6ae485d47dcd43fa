"""Models of matrix products: a row has the same bits alone and among others, and damaged layers are rejected."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from families import FAMILIES, fitted, make_rows, make_signature

from nbship.errors import CorruptPackageError
from nbship.model.backends import Compiled, Layer, Layers, dump_tables
from nbship.model.compiler.choose import choose_backend
from nbship.model.signature import columns_of

pytestmark = pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")

NAMES = ("network", "network, three classes", "naive Bayes", "quadratic discriminants", "principal components", "polynomials", "rows of length 1", "random kernel")  # fmt: skip


def compiled(name: str) -> Compiled:
    choice = choose_backend(fitted(name), make_signature(), columns=columns_of(make_rows()), code={})
    return Compiled(choice.files["tables.npz"], renamed={})


@pytest.mark.parametrize("name", NAMES)
def test_a_row_has_the_same_bits_alone_and_among_others(name: str) -> None:
    assert FAMILIES[name].path == "tables"
    model = compiled(name)
    assert isinstance(model.tables, Layers)
    rows = make_rows(20_000, seed=5)
    columns = columns_of(rows)
    together = model.scores(columns)
    backwards = {key: column[::-1] for key, column in columns.items()}
    np.testing.assert_array_equal(model.scores(backwards)[::-1], together)
    for start, count in ((0, 1), (63, 2), (64, 64), (1000, 1025), (16_383, 3), (19_999, 1)):
        part = {key: column[start : start + count] for key, column in columns.items()}
        np.testing.assert_array_equal(model.scores(part), together[start : start + count])
        first = {key: column[:1] for key, column in part.items()}
        assert model.score_columns(first) == together[start].tolist()
    listed = [[columns[each].tolist()[row] for each in model.names] for row in range(130)]
    assert model.score_each(listed) == together[:130].tolist()


def network() -> Layers:
    found = compiled("network").tables
    assert isinstance(found, Layers)
    return found


DAMAGES: dict[str, Callable[[Layers], dict[str, Any]]] = {
    "an unknown kind": lambda model: {"layers": (Layer("division", ()), *model.layers)},
    "an array too many": lambda model: {"layers": (Layer("tanh", (np.zeros(3),)), *model.layers)},
    "other columns": lambda model: {"layers": model.layers[1:]},
    "an index beyond the columns": lambda model: {"layers": (Layer("take", (np.array([999]),)), *model.layers)},
    "float32": lambda model: {"centres": model.centres.astype(np.float32)},
    "a link": lambda model: {"link": "nothing"},
    "centres": lambda model: {"centres": model.centres[1:]},
    "slopes": lambda model: {"slopes": (model.slopes[0][1:], *model.slopes[1:])},
    "entries": lambda model: {"entries": (model.entries[0][1:], *model.entries[1:])},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_layers_are_corrupt(damage: str) -> None:
    model = network()
    data = dump_tables(dataclasses.replace(model, **DAMAGES[damage](model)), {"classes": [0, 1], "function": None})
    with pytest.raises(CorruptPackageError, match=r"tables\.npz"):
        Compiled(data, renamed={})


def test_equal_models_give_equal_bytes() -> None:
    about = {"classes": [0, 1], "function": None}
    assert dump_tables(network(), about) == dump_tables(network(), about)
