"""`nbship lab`."""

from __future__ import annotations

import os

import click

__all__ = ["command"]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Open JupyterLab on this project, with this environment's Python and warm kernels.

    A kernel starts with the notebooks' libraries imported. A notebook that is run by hand reads the pipeline's last products and writes to .nbship/scratch/.
    ARGUMENTS are passed to JupyterLab.

    \b
    Example:
        nbship lab
        nbship lab --no-browser --port 8889
    """
    from ..execution import lab_command, lab_environment, write_jupyter_files
    from ..project import load

    project = load()
    program = lab_command(project, arguments)
    os.chdir(project.root)
    os.execvpe(program[0], program, lab_environment(os.environ, jupyter=write_jupyter_files(project)))
