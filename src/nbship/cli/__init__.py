"""The `nbship` command: parse, call one function, print."""

from __future__ import annotations

import importlib
import io
import locale
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ..errors import GateError, NbshipError
from .groups import SuggestingGroup

__all__ = ["GROUPS", "HIDDEN", "main", "nbship"]

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Work": {
        "run": "Run what changed: notebooks, in order, to a model package.",
        "status": "Show what would run, and why.",
        "check": "Check notebooks, pipeline and configuration.",
        "data": "Fetch windows of new data from sources.",
        "lab": "Open JupyterLab on this project.",
    },
    "Predict": {
        "predict": "Predict for a CSV, JSON Lines or Parquet file, or a database.",
        "serve": "Serve the model over REST.",
        "app": "Open the Streamlit app.",
        "keys": "Manage the API keys of the service.",
    },
    "Watch": {
        "monitor": "Write the monitoring report of a window of time.",
        "labels": "Import the labels of past predictions.",
        "replay": "Repeat a logged prediction and compare.",
        "schedule": "Run jobs at the times of cron: reports, batches, labels.",
        "log": "Export the prediction log, forget a person, prune old records.",
    },
    "Release": {
        "models": "Register, compare, promote and roll back models.",
    },
}
HIDDEN: Mapping[str, str] = {
    "stage": "Run one stage's notebook (dvc.yaml calls it).",
    "merge-lock": "Merge two versions of dvc.lock (Git calls it).",
    "sync": "Write dvc.yaml and the parameters cells from pipeline.yaml and params.yaml.",
    "verify": "Verify a model package.",
    "ready": "Check that the service on this machine is ready (HEALTHCHECK of containers calls it).",
    "package": "Build packages from saved estimators; build wheels, ONNX graphs and containers from packages.",
}


class _LazyGroup(SuggestingGroup):
    """Imports a command's module when the command is called, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*(name for commands in GROUPS.values() for name in commands), *HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f".{cmd_name.replace('-', '_')}", __name__).command
        command.name = cmd_name  # documentation and shell completion show it; each function is called `command`
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`nbship COMMAND --help` shows a command's options and an example. Less common commands: sync, verify, package.",
)
@click.version_option(package_name="nbship")
def nbship() -> None:
    """Take notebooks to production."""


def main(args: Sequence[str] | None = None) -> Any:
    """Run the command line; an error is printed as one sentence, without a traceback.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model did not pass the gate.
    """
    _open_closed_streams()
    _use_utf8()
    try:
        return nbship.main(args=args, prog_name="nbship")
    except NbshipError as error:
        click.echo(f"nbship: {error}", err=True)
        sys.exit(3 if isinstance(error, GateError) else 1)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        from ..execution.reporting import describe_unexpected

        click.echo(f"nbship: {describe_unexpected(error)}", err=True)
        sys.exit(1)


def _open_closed_streams() -> None:
    """Open the standard streams that a supervisor closed: another file would get the number of one, and its output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends


def _use_utf8() -> None:
    """Let libraries that name no encoding, such as Ploomber, read and write UTF-8 in every locale.

    What the terminal cannot show is escaped on standard output, as Python does on standard error alone.
    """
    with suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
