"""Validate `pipeline.yaml` with Ploomber's own reader."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
from pathlib import Path, PurePosixPath

from ..atomic_write import write_whole
from ..errors import PipelineError
from ..project import Project, render_params
from .inspection import PYTHON, inspect_notebook, is_installed
from .spec import Pipeline

__all__ = ["validate"]


def validate(project: Project, pipeline: Pipeline) -> None:
    """Let Ploomber read the pipeline. The result is cached, since importing Ploomber takes seconds.

    Does nothing without Ploomber (an extra), if data or kernels that Ploomber requires are missing, or if a notebook has
    no tagged parameters cell, because Ploomber would add one of its own.

    Raises
    ------
    PipelineError
        If Ploomber does not accept it.
    """
    key = _cache_key(project, pipeline)
    if any(
        not (project.root / path).exists() for stage in pipeline.stages.values() for path in stage.resources.values()
    ):
        return
    if not all(_is_tagged(project, path) and _has_kernel(project, path) for path in pipeline.notebooks):
        return
    accepted = project.cache / "ploomber-accepts"
    if accepted.is_file() and accepted.read_text(encoding="utf-8") == key:
        return
    _load_dag(project)
    write_whole(accepted, key)


def _is_tagged(project: Project, path: PurePosixPath) -> bool:
    cell = inspect_notebook(project, path).parameters
    return cell is not None and cell.tagged


def _has_kernel(project: Project, path: PurePosixPath) -> bool:
    inspection = inspect_notebook(project, path)
    return inspection.language == PYTHON or is_installed(inspection.kernel)


def _cache_key(project: Project, pipeline: Pipeline) -> str:
    digest = hashlib.sha256((project.root / "pipeline.yaml").read_bytes())
    digest.update(render_params(project.params).encode())
    for path in pipeline.notebooks:
        cell = inspect_notebook(project, path).parameters
        digest.update(f"{path}\0{cell.source if cell else ''}\0{cell.tagged if cell else ''}".encode())
    return digest.hexdigest()


def _load_dag(project: Project) -> None:
    os.environ["PLOOMBER_STATS_ENABLED"] = "false"
    output = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        warnings.simplefilter("ignore")
        try:
            from ploomber.spec import DAGSpec
        except ImportError:
            return
        with contextlib.chdir(project.root):
            try:
                DAGSpec(str(Path("pipeline.yaml"))).to_dag()
            except Exception as error:
                raise PipelineError(f"Ploomber does not accept 'pipeline.yaml': {_summarize(error)}") from error


def _summarize(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines)[:300]
    return text if text.endswith(".") else f"{text}. Correct it there."
