from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nbship import project
from nbship.errors import PipelineError
from nbship.pipeline.inspection.imports import (
    Dependencies,
    ProjectModules,
    find_imports,
    find_run_magic,
    find_settings,
    parse_cells,
    reject_run_magic,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    package = tmp_path / "src/own"
    package.mkdir(parents=True)
    files = {
        "__init__.py": "",
        "features.py": "from .zones import HOME\nimport numpy as np\n",
        "zones.py": "HOME = 1\n\ndef late():\n    from own import deep\n",
        "deep.py": "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n",
        "other.py": "",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/beside.py").write_text("import json\n")
    return tmp_path


def read_code(root: Path, cells: list[dict[str, Any]]) -> Dependencies:
    reject_run_magic(find_run_magic({"cells": cells}), PurePosixPath("notebooks/a.ipynb"))
    return ProjectModules(project.load(root)).follow(
        find_imports(parse_cells({"cells": cells})), folder=PurePosixPath("notebooks")
    )


def code_of(root: Path, *sources: str) -> tuple[list[str], tuple[str, ...]]:
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    found = read_code(root, cells)
    return [str(path) for path in found.modules], found.libraries


def test_imports_are_followed_through_modules(root: Path) -> None:
    modules, libraries = code_of(root, "from own.features import x", "import sklearn.linear_model, os")
    assert modules == [f"src/own/{name}.py" for name in ("__init__", "deep", "features", "zones")]
    assert libraries == ("numpy", "sklearn")


def test_a_module_that_is_not_imported_is_not_a_dependency(root: Path) -> None:
    assert "src/own/other.py" not in code_of(root, "import own.features")[0]


def test_a_name_imported_from_a_package_may_be_a_module(root: Path) -> None:
    assert "src/own/other.py" in code_of(root, "from own import other")[0]


def test_a_module_beside_the_notebook_counts(root: Path) -> None:
    assert code_of(root, "import beside")[0] == ["notebooks/beside.py"]


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\nimport own.other",
        "files = !ls\nimport own.other",
        "await f()\nimport own.other",
        "%%time\nimport own.other",
    ],
)
def test_magics_do_not_hide_imports(root: Path, cell: str) -> None:
    assert "src/own/other.py" in code_of(root, cell)[0]


def test_a_module_that_is_not_python_is_named(root: Path) -> None:
    (root / "src/own/other.py").write_text("def (")
    with pytest.raises(PipelineError, match=r"'other\.py' in 'own', line 1 is not valid Python"):
        code_of(root, "import own.other")


def test_settings_are_found_where_they_are_written_literally() -> None:
    cells = [
        {"cell_type": "code", "source": 'a = stage.settings("slices"); b = stage.settings("gates.auc")', "metadata": {}}
    ]
    assert find_settings(parse_cells({"cells": cells})) == ("gates.auc", "slices")


def test_library_imports_have_full_names(root: Path) -> None:
    cell = {"cell_type": "code", "source": "from sklearn.tree import export_text\nimport own.features", "metadata": {}}
    found = read_code(root, [cell])
    assert found.imports == ("numpy", "sklearn", "sklearn.tree", "sklearn.tree.export_text")
