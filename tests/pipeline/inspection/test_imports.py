from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nbship import project
from nbship.errors import PipelineError
from nbship.pipeline.inspection.imports import (
    Dependencies,
    ProjectModules,
    find_run_magic,
    find_settings,
    parse_cells,
    reject_run_magic,
)
from nbship.pipeline.inspection.languages import Python


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


def read_code(root: Path, cells: list[dict[str, Any]], *, nested: bool = False) -> Dependencies:
    reject_run_magic(find_run_magic({"cells": cells}), PurePosixPath("notebooks/a.ipynb"))
    code = Python().read({"cells": cells})
    folder = PurePosixPath("notebooks/drafts" if nested else "notebooks")
    return ProjectModules(project.load(root)).follow(code.imports, folder=folder, search_paths=code.search_paths)


def code_of(root: Path, *sources: str, nested: bool = False) -> tuple[list[str], tuple[str, ...]]:
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    found = read_code(root, cells, nested=nested)
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


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "files", [("src/__init__.py", "src/own/__init__.py"), ()], ids=["a package src", "a folder src"]
)
def test_a_module_below_the_root_counts(root: Path, files: tuple[str, ...], nested: bool) -> None:
    """As in projects of cookiecutter-data-science, by `sys.path.append("..")` or an editable install."""
    (root / "src/own/__init__.py").unlink()
    for name in files:
        (root / name).touch()
    modules, libraries = code_of(root, "from src.own.other import y\nfrom src.own import zones", nested=nested)
    assert set(modules) >= {*files, "src/own/other.py", "src/own/zones.py"}
    assert not set(modules) & {"src/__init__.py", "src/own/__init__.py"} - set(files)
    assert libraries == ()


@pytest.mark.parametrize(
    "cell",
    [
        "sys.path.append('../lib')",
        "sys.path.insert(0, os.path.abspath(os.path.join('..', 'lib')))",
        "lib = os.path.abspath('../lib')\nif lib not in sys.path:\n    sys.path.append(lib)",
        "sys.path += [str(Path('..') / 'lib')]",
        "site.addsitedir('../lib')",
    ],
)
def test_a_folder_that_the_notebook_adds_to_the_search_path_counts(root: Path, cell: str) -> None:
    (root / "lib").mkdir()
    (root / "lib/tool.py").write_text("import numpy\n")
    assert code_of(root, cell, "import tool") == (["lib/tool.py"], ("numpy",))
    assert code_of(root, "import tool", "read('../lib/names.csv')") == ([], ("tool",))


def test_a_folder_at_the_root_does_not_hide_a_library_of_its_name(root: Path) -> None:
    (root / "sklearn").mkdir()
    (root / "sklearn/notes.py").touch()
    assert code_of(root, "from sklearn.tree import export_text") == ([], ("sklearn",))


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
