"""What a parameters cell may hold: one `name = value` for each parameter, and nothing that changes one."""

from __future__ import annotations

import pytest

from nbship.errors import ParameterError
from nbship.pipeline.inspection.assignments import read_assignments


@pytest.mark.parametrize(
    "source",
    [
        "a = b = 1",
        "a = b = 'x'",
        "cnt = 10\ncnt *= 2",
        "cnt: int = 10\ncnt -= 1",
        "a, b = 1, 2",
        "[a] = [1]",
        "a = [1]\na[0] = 2",
        "a = {}\na.x = 2",
        "a = [1]\na.append(2)",
        "a = 1\ndel a",
        "a = 1\n(a := 2)",
        "a = 1\nfor a in range(3): pass",
        "a = 1\nif a: a = 2",
        "a = 1\nwith open('x') as a: pass",
        "a = 1\ntry:\n    a = 2\nfinally: pass",
        "def a(): pass",
        "class a: pass",
        "a = 1\nglobals().update(a=2)",
        "a = 1\nexec('a = 2')",
    ],
)
def test_code_that_could_change_a_parameter_is_rejected(source: str) -> None:
    with pytest.raises(
        ParameterError, match=r"The parameters cell of 'x\.ipynb' has '.*' in line \d, which is not one"
    ):
        read_assignments(source, name="x.ipynb")


@pytest.mark.parametrize(
    "source", ["import a\na = 1", "a = 1\nfrom b import a", "a = 1\nimport b as a", "a = 1\nfrom b import *"]
)
def test_an_import_that_replaces_a_parameter_is_rejected(source: str) -> None:
    with pytest.raises(ParameterError, match=r"imports '[a*]', which may replace a parameter"):
        read_assignments(source, name="x.ipynb")


def test_a_walrus_in_a_value_is_no_literal() -> None:
    with pytest.raises(ParameterError, match="not a literal"):
        read_assignments("a = (b := 1)", name="x.ipynb")


def test_comments_docstrings_magics_annotations_and_imports_are_allowed() -> None:
    source = '# parameters\n"""What they mean."""\n%matplotlib inline\nfrom pathlib import Path\na: int = 1; b = [1]  # two\nc: str\nupstream = None'
    found = read_assignments(source, name="x.ipynb")
    assert {name: each.value for name, each in found.items()} == {"a": 1, "b": [1], "upstream": None}
