"""Ploomber's own reader, as the judge of whether `pipeline.yaml` is its format."""

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
from .inspection import PYTHON, is_installed, read_facts
from .spec import Pipeline

__all__ = ["validate"]


def validate(project: Project, pipeline: Pipeline) -> None:
    """Let Ploomber read the pipeline; what it accepted is not asked again, since importing it takes seconds.

    Without Ploomber (it is an extra), or without the data and kernels (it wants them there), nothing is asked; nor where
    a notebook has no tagged parameters cell, since Ploomber would write one of its own into it.

    Raises
    ------
    PipelineError
        If Ploomber does not accept it.
    """
    asked = _question(project, pipeline)
    if any(
        not (project.root / path).exists() for stage in pipeline.stages.values() for path in stage.resources.values()
    ):
        return
    if not all(_is_tagged(project, path) and _has_kernel(project, path) for path in pipeline.notebooks):
        return
    accepted = project.cache / "ploomber-accepts"
    if accepted.is_file() and accepted.read_text(encoding="utf-8") == asked:
        return
    _ask(project)
    write_whole(accepted, asked)


def _is_tagged(project: Project, path: PurePosixPath) -> bool:
    cell = read_facts(project, path).parameters
    return cell is not None and cell.tagged


def _has_kernel(project: Project, path: PurePosixPath) -> bool:
    facts = read_facts(project, path)
    return facts.language == PYTHON or is_installed(facts.kernel)


def _question(project: Project, pipeline: Pipeline) -> str:
    digest = hashlib.sha256((project.root / "pipeline.yaml").read_bytes())
    digest.update(render_params(project.params).encode())
    for path in pipeline.notebooks:
        cell = read_facts(project, path).parameters
        digest.update(f"{path}\0{cell.source if cell else ''}\0{cell.tagged if cell else ''}".encode())
    return digest.hexdigest()


def _ask(project: Project) -> None:
    os.environ["PLOOMBER_STATS_ENABLED"] = "false"
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        warnings.simplefilter("ignore")
        try:
            from ploomber.spec import DAGSpec
        except ImportError:
            return
        with contextlib.chdir(project.root):
            try:
                DAGSpec(str(Path("pipeline.yaml"))).to_dag()
            except Exception as error:
                raise PipelineError(f"Ploomber does not accept 'pipeline.yaml': {_first_words(error)}") from error


def _first_words(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines)[:300]
    return text if text.endswith(".") else f"{text}. Correct it there."
