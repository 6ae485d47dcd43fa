"""The checks of `nbship check`, and the corrections of `--fix`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..atomic_write import write_if_changed
from ..errors import NbshipError
from ..file_locks import changing
from ..project import Project, read_yaml
from .inspection import (
    PYTHON,
    ParametersCell,
    code_cells,
    find_parameters,
    is_installed,
    kernel_name,
    language_of,
    literal,
    missing_kernel,
    parse_cell,
    read_notebook,
    render_notebook,
    source_of,
)
from .placeholders import resolve

__all__ = ["find_problems", "fix_parameters"]


def find_problems(project: Project) -> Iterator[str]:
    """Yield the problems of pipeline, notebooks and parameters; each reader reports its first error."""
    from .synchronization import check_current

    try:
        yield from map(str, check_current(project))
    except NbshipError as error:
        yield str(error)
    for path in sorted((project.root / "notebooks").glob("*.ipynb")):
        try:
            notebook = read_notebook(path, name=path.name)
            cell = find_parameters(notebook, name=path.name)
        except NbshipError as error:
            yield str(error)
            continue
        language, kernel = language_of(notebook).name, kernel_name(notebook)
        if language != PYTHON and kernel and not is_installed(kernel):
            yield f"'{path.name}' cannot run here. {missing_kernel(kernel, language)}"
        if cell is not None and not cell.tagged:
            yield f"The parameters cell of '{path.name}' has no tag, which Ploomber needs. `nbship check --fix` adds it."


def fix_parameters(project: Project) -> list[str]:
    """Add missing parameters cells, tags and parameters to the notebooks; return a sentence for each notebook."""
    from ..errors import PipelineError

    done = []
    for task in read_yaml(project.root / "pipeline.yaml", PipelineError).get("tasks") or ():
        path = project.root / str(task.get("source"))
        params = {k: v for k, v in (task.get("params") or {}).items() if k != "resources_"}
        values = {name: resolve(value, project.params, where=str(task.get("name"))) for name, value in params.items()}
        if not path.is_file():
            continue
        with changing(path) as path:
            if added := _fix(path, values):
                done.append(f"{task['source']}: {added}")
    return done


def _fix(path: Path, values: dict[str, Any]) -> str:
    notebook = read_notebook(path, name=path.name)
    cell = find_parameters(notebook, name=path.name)
    if language_of(notebook).name != PYTHON:
        return _fix_tag(path, notebook, cell)
    missing = {name: value for name, value in values.items() if cell is None or name not in cell.assignments}
    if cell is not None and cell.tagged and not missing:
        return ""
    lines = [f"{name} = {literal(value)}" for name, value in missing.items()]
    if cell is None and (untagged := _find_untagged(notebook, values)) is not None:
        tags = notebook["cells"][untagged].setdefault("metadata", {}).setdefault("tags", [])
        tags.append("parameters")
        _write(path, notebook)
        more = _fix(path, values)
        return "added the tag" + (f", {more.removeprefix('added ')}" if more else "")
    if cell is None:
        if not values:
            return ""
        added = "a parameters cell"
        # Cells have ids since notebook format 4.5.
        ids = {"id": "parameters"} if notebook.get("nbformat_minor", 0) >= 5 else {}
        notebook["cells"].insert(_first_code(notebook), ids | _new_cell(lines))
    else:
        added = ", ".join([*missing, *([] if cell.tagged else ["the tag"])])
        found = notebook["cells"][cell.index]
        found["source"] = "\n".join([source_of(found).rstrip("\n"), *lines])
        tags = found.setdefault("metadata", {}).setdefault("tags", [])
        if "parameters" not in tags:
            tags.append("parameters")
    _write(path, notebook)
    return f"added {added}"


def _fix_tag(path: Path, notebook: dict[str, Any], cell: ParametersCell | None) -> str:
    """Tag the parameters cell of a notebook in another language, whose values nbship cannot read."""
    if cell is None or cell.tagged:
        return ""
    notebook["cells"][cell.index].setdefault("metadata", {}).setdefault("tags", []).append("parameters")
    _write(path, notebook)
    return "added the tag"


def _find_untagged(notebook: dict[str, Any], values: dict[str, Any]) -> int | None:
    """Return the index of the first cell that sets `upstream`, `product` or a parameter: it only lacks the tag."""
    for index, source in code_cells(notebook):
        tree = parse_cell(source)
        targets = (
            [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets] if tree else []
        )
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        if names & {"upstream", "product", *values}:
            return index
    return None


def _write(path: Path, notebook: dict[str, Any]) -> None:
    write_if_changed(path, render_notebook(notebook, lines=True, sort_keys=False))


def _first_code(notebook: dict[str, Any]) -> int:
    return next((index for index, _ in code_cells(notebook)), len(notebook["cells"]))


def _new_cell(lines: list[str]) -> dict[str, Any]:
    source = "\n".join(["# parameters", "upstream = None", "product = None", *lines])
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": ["parameters"]},
        "outputs": [],
        "source": source,
    }
