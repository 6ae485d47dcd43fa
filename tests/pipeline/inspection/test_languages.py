from __future__ import annotations

from typing import Any

import pytest

from nbship.errors import ParameterError
from nbship.pipeline.inspection import find_parameters, is_installed, missing_kernel
from nbship.pipeline.inspection.languages import CodeSummary, Other, Python, language_of


def notebook(*sources: str, **metadata: Any) -> dict[str, Any]:
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    return {"cells": cells, "metadata": metadata}


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({}, Python()),
        ({"kernelspec": None}, Python()),
        ({"kernelspec": {"name": "python3", "language": "Python"}}, Python()),
        ({"kernelspec": {"name": "ir", "language": "R"}}, Other("R")),
        ({"kernelspec": {"name": "ir"}, "language_info": {"name": "R"}}, Other("R")),
        ({"kernelspec": {"name": "ir", "display_name": "R"}}, Other("R")),  # as Colab writes it
        ({"kernelspec": {"name": "julia-1.10"}}, Other("julia")),
        ({"kernelspec": {"name": "conda-env-theirs-py"}}, Python()),
    ],
)
def test_a_notebook_says_its_language(metadata: dict[str, Any], language: object) -> None:
    assert language_of(notebook(**metadata)) == language


def test_python_is_read() -> None:
    found = Python().read(notebook("import pandas as pd\npd.read_csv('../a.csv')\nstage.settings('data')"))
    assert found == CodeSummary(settings=("data",), imports=("pandas", "pandas.*"), paths=("../a.csv",))


def test_of_other_languages_the_paths_are_read() -> None:
    code = """\
# comes from "old/a.csv"
source("../R/features.R")
x <- read.csv(file.path('..', 'data', "my flights.csv"))
y <- import pandas
"""
    found = Other("R").read(notebook(code, "head -n 3 ../b.csv>out/c.csv"))
    assert {"../R/features.R", "../data/my flights.csv", "../b.csv", "out/c.csv"} <= set(found.paths)
    assert not any("old" in path for path in found.paths)
    assert (found.imports, found.settings, found.run_magic) == ((), (), "")


@pytest.mark.parametrize("first", ["# parameters", "// parameters", "-- parameters", "%parameters"])
def test_the_parameters_cell_of_any_language_is_found_and_not_read(first: str) -> None:
    found = find_parameters(
        notebook("1", f"{first}\nrate <- 0.5", kernelspec={"name": "ir", "language": "R"}), name="a.ipynb"
    )
    assert found is not None
    assert (found.index, found.tagged, dict(found.parameters)) == (1, False, {})


def test_two_parameters_cells_are_refused_in_any_language() -> None:
    cells = notebook("# parameters\na <- 1", "# parameters\nb <- 1", kernelspec={"name": "ir", "language": "R"})
    with pytest.raises(ParameterError, match="more than one parameters cell"):
        find_parameters(cells, name="a.ipynb")


def test_a_kernel_that_is_not_installed_is_named_with_what_installs_it() -> None:
    assert not is_installed("julia-0.0")
    assert missing_kernel("julia-0.0", "julia") == (
        "The kernel 'julia-0.0' is not installed. In Julia, run `using Pkg; Pkg.add(\"IJulia\")`."
    )
    assert missing_kernel("x", "Fortran") == "The kernel 'x' is not installed. Install a Jupyter kernel for Fortran."
    assert "Choose 'python3', an installed kernel for python," in missing_kernel("python9", "python")
