"""Compute reports and execute monitoring notebooks, in forks of servers that have imported the libraries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from .. import errors
from ..atomic_write import write_whole
from ..errors import CellError, DeadKernelError, MonitoringError, NbshipError, ParameterError
from ..execution import (
    Executed,
    Failure,
    RunForkServer,
    execute,
    import_renderer,
    normalize,
    project_redactor,
    redact_executed,
    render_html,
    with_own_programs,
)
from ..monitoring import Window
from ..notebook import PINNED
from ..pipeline.inspection import find_parameters, literal, read_notebook, render_notebook, replace_values, source_of
from ..project import Project, Value
from ..text import first_line
from .figures import write_figures
from .requirements import output_names, shown_path

__all__ = ["Kernels"]

# What computing a report imports, and what every monitoring notebook imports; the project's own modules, each fork imports
# itself. The notebooks' server starts beside the computation, which does not wait for matplotlib.
_COMPUTATION = ("numpy", "pandas", "pyarrow.parquet", "scipy.special", "nbship.monitoring")
_LIBRARIES = ("numpy", "pandas", "matplotlib.pyplot", "matplotlib_inline.backend_inline", "nbship.monitoring.plots", "nbship.monitoring.tables")  # fmt: skip
# Freed memory goes back to the system: a report that was computed would otherwise hold a third more at its end.
_MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_MMAP_THRESHOLD_": "4000000", "MALLOC_TRIM_THRESHOLD_": "8000000"}  # fmt: skip
_COMPUTE = (
    "from nbship import monitoring\nmonitoring.write_report_of({first!r}, {last!r}, path={path!r}, also={also!r})"
)


class Kernels:
    """The kernels in which reports are computed and monitoring notebooks run. Thread-safe."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._env = _environment(project)
        self._computation = RunForkServer(self._env, root=project.root)
        self._notebooks = RunForkServer(self._env, root=project.root)
        self._computation.start()
        self._computation.preload(_COMPUTATION)
        Thread(target=self._prepare, name="nbship-pages", daemon=True).start()
        self._redact = project_redactor(project, os.environ)
        self._names = output_names(project)

    def _prepare(self) -> None:
        """Import what notebooks and pages need while the first report is computed: earlier, it would delay that."""
        if (computation := self._computation()) is not None:
            with suppress(DeadKernelError):
                computation.wait()
        self._notebooks.start()
        self._notebooks.preload(_LIBRARIES)
        import_renderer()

    def close(self) -> None:
        """End the servers, and with them what runs in their forks."""
        self._computation.close()
        self._notebooks.close()

    def compute(self, window: Window, path: Path, *, also: Path) -> None:
        """Compute the report of a window, and write it as JSON.

        Parameters
        ----------
        also
            A folder with reports that are newer than the project's, one folder a window.

        Raises
        ------
        MonitoringError
            If the window has no predictions, or the package or the log cannot be read.
        CellError, DeadKernelError
            If the computation fails otherwise. Its traceback is kept in `.nbship/scratch/monitor/`.
        """
        source = _COMPUTE.format(first=window.first, last=window.last, path=str(path), also=str(also))
        executed = self._execute(_one_cell(source), cwd=self._project.root, server=self._computation)
        if executed.failure:
            raise self._failed("The report", f"report-{window.name}", executed, executed.failure)

    def render(self, name: str, window: Window, folder: Path) -> None:
        """Execute a monitoring notebook, and write it, its page and its figures to the folder of its report.

        Raises
        ------
        NotebookError
            If the notebook cannot be read, or its parameters cell lacks the window.
        CellError, DeadKernelError
            If a cell fails. The outputs are kept in `.nbship/scratch/monitor/`.
        """
        path, short = self._project.root / name, self._names[name]
        report = self._path(folder / "report.json", beside=path)
        executed = self._execute(self._filled(name, window, report), cwd=path.parent, server=self._notebooks)
        # The executed notebook can be opened where it lies, beside the report.
        renamed = _with_sources(executed.notebook, self._filled(name, window, "report.json"))
        clean = normalize(renamed, root=self._project.root)
        if executed.failure:
            raise self._failed(f"Notebook '{name}'", short, executed, executed.failure, notebook=clean)
        write_whole(folder / f"{short}.ipynb", render_notebook(clean), durable=True, mode=0o600)
        page = render_html(clean, title=f"{self._project.name} · {window.name}", code=False)
        write_whole(folder / f"{short}.html", page, durable=True, mode=0o600)
        write_figures(clean, folder / "figures", prefix=short)

    def _execute(self, notebook: Mapping[str, Any], *, cwd: Path, server: RunForkServer) -> Executed:
        executed = execute(notebook, cwd=cwd, env=self._env, fork_server=server())
        return redact_executed(executed, self._redact)

    def _filled(self, name: str, window: Window, report: str) -> dict[str, Any]:
        """Return a monitoring notebook with the window, the model and the report's path in its parameters cell."""
        notebook = read_notebook(self._project.root / name, name=name)
        cell = find_parameters(notebook, name=name)
        product: Value = {"report": report}
        values: dict[str, Value] = {"window_from": window.first, "window_to": window.last, "product": product}
        missing = [key for key in values if cell is None or key not in cell.assignments]
        if cell is None or missing:
            raise ParameterError(
                f"The parameters cell of '{name}' does not set '{missing[0]}'. Add a line such as `{missing[0]} = None` to it."
            )
        if "model" in cell.assignments:
            values["model"] = self._project.model or None
        source = replace_values(cell, {key: literal(value) for key, value in values.items()})
        cells = [{**inner, "source": source_of(inner)} for inner in notebook["cells"]]
        cells[cell.index] = {**cells[cell.index], "source": source}
        return {**notebook, "cells": cells}

    def _path(self, path: Path, *, beside: Path) -> str:
        """Return a path, relative to a notebook's folder if it lies in the project."""
        if not path.is_relative_to(self._project.root):
            return str(path)
        return Path(os.path.relpath(path, beside.parent)).as_posix()

    def _failed(
        self, subject: str, short: str, executed: Executed, failure: Failure, *, notebook: dict[str, Any] | None = None
    ) -> NbshipError:
        message = first_line(failure.evalue, otherwise=failure.ename)
        known = getattr(errors, failure.ename, None)
        is_error = failure.kind == "error"
        if is_error and isinstance(known, type) and issubclass(known, NbshipError):
            return MonitoringError(message)
        path = self._project.scratch / "monitor" / f"{short}.ipynb"
        write_whole(path, render_notebook(notebook or executed.notebook))
        number = executed.notebook["cells"][failure.cell].get("execution_count")
        where = "" if notebook is None else f" in cell {f'In [{number}]' if number else failure.cell + 1}"
        kind = CellError if is_error else DeadKernelError
        cause = f"{failure.ename}: {message}" if is_error else message
        end = "" if cause.endswith((".", "!", "?")) else "."
        return kind(f"{subject} failed{where}: {cause}{end} Its outputs are in '{shown_path(self._project, path)}'.")


def _one_cell(source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": "code", "id": "report", "metadata": {}, "execution_count": None, "outputs": [], "source": source}  # fmt: skip
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _with_sources(executed: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """Return an executed notebook with the sources of another copy of it."""
    pairs = zip(executed["cells"], source["cells"], strict=True)
    return {**executed, "cells": [{**cell, "source": other["source"]} for cell, other in pairs]}


def _environment(project: Project) -> dict[str, str]:
    # A relative path would be resolved against the notebook's folder, where the kernel starts.
    own = {"NBSHIP_STATE": str(project.state)} if "NBSHIP_STATE" in os.environ else {}
    python_path = os.pathsep.join([str(project.source), *filter(None, [os.environ.get("PYTHONPATH")])])
    inherited = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "NBSHIP_STAGE")}
    if project.model:
        own["NBSHIP_MODEL"] = project.model
    return {**_MEMORY, **with_own_programs(inherited), **PINNED, **own, "PYTHONPATH": python_path}
