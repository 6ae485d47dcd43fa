"""`nbship serve`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import model_option

__all__ = ["command"]


@click.command()
@click.argument("package", required=False, type=click.Path(path_type=Path))
@model_option
@click.option("--host", help="Address to listen on.  [default: serving.host, or 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 picks a free port.  [default: serving.port, or 8000]")
@click.option(
    "--unix-socket", type=click.Path(resolve_path=True), help="Listen on this Unix socket instead of host and port."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Number of processes.  [default: serving.workers, or 1]")
@click.option(
    "--auth", type=click.Choice(["keys", "proxy", "none"]), help="How callers authenticate.  [default: serving.auth]"
)
@click.option("--probes-port", type=click.IntRange(0, 65535), help="Separate port for health checks and metrics.")
@click.option("--root-path", help="Path prefix that a proxy adds.")
@click.option(
    "--request-log/--no-request-log", default=None, help="Print one JSON line for each request.  [default: yes]"
)
@click.option(
    "--results",
    type=click.Path(resolve_path=True),
    help="An output file of `nbship predict`; /results looks up its predictions by key.",
)
@click.option(
    "--other-versions",
    is_flag=True,
    help="Load a package built with other library versions, if it reproduces its golden outputs.",
)
def command(package: Path | None, model: str | None, other_versions: bool, **options: object) -> None:
    """Serve the model over REST, until Ctrl-C.

    PACKAGE is a folder or a wheel; the default is the project's own package. Every prediction is logged
    before the response is sent. Endpoints: /predict, /feedback, the Open Inference Protocol (/v2),
    MLflow's /invocations, /metrics, health checks, and /docs with the documentation.

    \b
    Example:
        nbship serve --port 8000
        curl http://127.0.0.1:8000/v2/health/ready
    """
    from ..inference import find_deployment
    from ..serving import serve

    given = {name: value for name, value in options.items() if value is not None}
    if "host" in given or "port" in given:
        if "unix_socket" in given:
            raise click.UsageError("--unix-socket is used instead of --host and --port. Give one or the other.")
        # They replace a socket of nbship.yaml.
        given["unix_socket"] = ""
    serve(find_deployment(package, model=model), options=given, other_versions=other_versions, write_line=click.echo)
    click.echo("Stopped.")
