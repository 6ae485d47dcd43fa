"""`papermill in.ipynb out.ipynb --engine nbship`: papermill's command and files, nbship's execution.

Parameters arrive with their value and type, or are rejected before anything is written. A kernel that dies or times
out is marked in its cell, and the outputs until then are saved.
"""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import Engine
from papermill.exceptions import PapermillExecutionError
from papermill.log import logger

from ...errors import ProjectError
from ...pipeline.inspection import PYTHON, code_cells, language_of, parse_cell
from ...project import find_root, load
from ..kernels import Callbacks, Failure, Limits, execute, is_own, shared_fork_server
from ..redaction import Redactor, project_redactor
from .parameters import pass_parameters
from .progress import Progress

__all__ = ["NbshipEngine"]

# Options of papermill and nbclient that this engine supports, or that do not affect cells.
_KNOWN = {
    "execution_timeout", "input_path", "iopub_timeout", "log_output", "raise_on_iopub_timeout", "start_timeout",
    "startup_timeout", "stderr_file", "stdout_file", "timeout",
}  # fmt: skip


class NbshipEngine(Engine):  # type: ignore[misc]
    """Executes notebooks for papermill."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, output_path: str | None = None, **options: Any) -> Any:
        """Execute a notebook, and save it like papermill's own engine.

        Raises
        ------
        ParameterError
            For a parameter that cannot be passed unchanged, before anything is executed or written.
        nbclient.exceptions.DeadKernelError, nbclient.exceptions.CellTimeoutError
            Like papermill's own engine, but after the cell has been marked.
        """
        pass_parameters(nb, _secrets())
        try:
            return super().execute_notebook(nb, kernel_name, output_path, **options)
        except (DeadKernelError, CellTimeoutError):
            if output_path is None:
                return nb  # papermill saves it at the end, and raises for the marked cell
            from papermill.execute import raise_for_execution_errors

            with contextlib.suppress(PapermillExecutionError):
                raise_for_execution_errors(nb, output_path)
            raise

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        """Execute the cells, and report the start and end of each to papermill."""
        if unknown := sorted(set(options) - _KNOWN):
            logger.warning(f"The engine 'nbship' does not support the option {', '.join(map(repr, unknown))}.")
        files = {name: options.get(f"{name}_file") for name in ("stdout", "stderr")}
        progress = Progress(nb_man, _secrets(), log=bool(options.get("log_output")), files=files)
        timeout = options.get("execution_timeout") or options.get("timeout")
        try:
            failure = _execute(nb_man.nb, kernel_name, progress, timeout=timeout)
        except BaseException as error:
            progress.stop(error)
            raise
        if failure and failure.kind == "died":
            raise DeadKernelError(failure.evalue)
        if failure and failure.kind == "timeout":
            raise CellTimeoutError(failure.evalue)


def _execute(notebook: Any, kernel_name: str, progress: Progress, *, timeout: float | None) -> Failure | None:
    is_python = language_of(notebook).name == PYTHON
    executed = execute(
        notebook,
        cwd=Path.cwd(),
        env=os.environ,
        limits=Limits(cell=timeout),
        callbacks=Callbacks(
            cell_started=progress.begin,
            cell_ended=progress.end,
            printed=progress.text,
            output_arrived=progress.save_if_due,
        ),
        fork_server=shared_fork_server(os.environ, modules=_imported_modules(notebook)) if is_python else None,
        kernel="python3" if is_own(kernel_name) else kernel_name,
    )
    if executed.notice:
        logger.warning(executed.notice)
    progress.finish(executed)
    return executed.failure


def _secrets() -> Redactor:
    """Return the redactor of the current project; outside a project, one without secrets."""
    try:
        root = find_root()
    except ProjectError:
        return Redactor({})
    return project_redactor(load(root), os.environ)


def _imported_modules(notebook: Mapping[str, Any]) -> Iterator[str]:
    for _, source in code_cells(notebook):
        for node in ast.walk(parse_cell(source) or ast.Module([], [])):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
