from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nbship.errors import ParameterError
from nbship.execution.kernels import execute
from nbship.execution.translation import translate

from .notebooks import text
from .other_languages import in_language, install_bash, require_r

FILES: dict[str, Any] = {
    "upstream": {"load": {"table": "../products/table.csv"}},
    "product": {"nb": "../products/fit.ipynb"},
    "resources_": {},
}
KERNELS = {"R": "ir", "julia": "julia-1.10", "bash": "bash", "scala": "scala", "sql": "xeus-sql"}
# Quotes, backslashes, expansions of a shell and of Julia, characters outside ASCII, and keys that a shell acts on.
TEXTS = ['naïve "q" €', "it's \\n $HOME `id` $(id) ${x} !!", "a\tb\nc", "", "日本 😀"]


def cell(params: dict[str, Any], language: str, *, files: dict[str, Any] = FILES) -> str | None:
    return translate(params, files, kernel=KERNELS[language], language=language, notebook="notebooks/fit.ipynb")


def test_r_receives_lists_by_name() -> None:
    source = cell({"seed": 3, "rate": 0.1, "late": True, "label": None, "names": ["a", 'b"']}, "R")
    assert (source or "").splitlines()[1:] == [
        "seed = 3",
        "rate = 0.1",
        "late = TRUE",
        "label = NULL",
        'names = list("a", "b\\"")',
        'upstream = list("load" = list("table" = "../products/table.csv"))',
        'product = list("nb" = "../products/fit.ipynb")',
        "resources_ = list()",
    ]


def test_julia_receives_dicts_and_strings_without_code() -> None:
    source = cell({"label": "$(run(`id`)) é", "none": None}, "julia")
    assert (source or "").splitlines()[1:] == [
        'label = "\\$(run(`id`)) é"',
        "none = nothing",
        'upstream = Dict("load" => Dict("table" => "../products/table.csv"))',
        'product = Dict("nb" => "../products/fit.ipynb")',
        "resources_ = Dict()",
    ]


def test_a_language_without_mappings_receives_a_variable_for_each_path() -> None:
    source = cell({"lines": 3, "names": ["a", "b c"]}, "bash", files={**FILES, "resources_": {"raw": "../a.csv"}})
    assert (source or "").splitlines()[1:] == [
        "lines=3",
        "names=(a 'b c')",
        "upstream_load_table=../products/table.csv",
        "product_nb=../products/fit.ipynb",
        "resources_raw=../a.csv",
    ]


def test_two_paths_with_the_same_variable_are_an_error() -> None:
    files = {"upstream": {"load": {"all_x": "a"}, "load_all": {"x": "b"}}}
    with pytest.raises(ParameterError, match="would become the variable 'upstream_load_all_x'"):
        cell({}, "bash", files=files)


def test_a_language_without_a_translator_receives_nothing() -> None:
    assert cell({}, "sql") is None
    with pytest.raises(ParameterError, match=r"'rows' cannot be passed to 'notebooks/fit.ipynb': .* in sql"):
        cell({"rows": 3}, "sql")


@pytest.mark.parametrize(
    ("language", "params", "message"),
    [
        ("bash", {"x": {"a": 1}}, "is a mapping that papermill cannot write in bash"),
        ("bash", {"x": [[1], [2]]}, "list of lists, which bash does not support"),
        ("R", {"x": 2**53 + 1}, "is 9007199254740993, which R cannot hold exactly"),
        ("R", {"x": "a\0b"}, "does not write unchanged in R"),
        ("R", {"_x": 1}, "'_x' cannot be the name of a parameter in R"),
        ("R", {"product": 1}, "'product' cannot be the name of a parameter: it names files"),
        ("R", {"x": float("inf")}, "must be finite"),
        ("scala", {"x": "naïve"}, "does not write unchanged in scala"),
        ("scala", {"x": [{"k": "$y"}]}, "does not write unchanged in scala"),
    ],
)
def test_a_value_that_would_arrive_changed_is_rejected(language: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        cell(params, language)


def received(language: str, params: dict[str, Any], *sources: str, cwd: Path) -> str:
    content = in_language(language, KERNELS[language], cell(params, language) or "", *sources)
    done = execute(content, cwd=cwd, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.failure is None, done.failure
    return "".join(text(each) for each in done.notebook["cells"])


def test_bash_receives_strings_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", install_bash(tmp_path))
    names = [f"t{number}" for number in range(len(TEXTS))]
    received(
        "bash", dict(zip(names, TEXTS, strict=True)), *(f'printf %s "${name}" > {name}' for name in names), cwd=tmp_path
    )
    assert [(tmp_path / name).read_text() for name in names] == TEXTS


def test_r_receives_values_unchanged(tmp_path: Path) -> None:
    require_r()
    values = {"texts": TEXTS, "numbers": [1, 0.1, 1e-300, -(2**40)], "nested": {"a": True, "b": [None, {"c": 2}]}}
    printed = received(
        "R",
        values,
        "cat(jsonlite::toJSON(list(texts, numbers, nested), auto_unbox = TRUE, null = 'null', digits = NA))",
        cwd=tmp_path,
    )
    assert json.loads(printed) == list(values.values())
