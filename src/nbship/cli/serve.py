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
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: serving.port, or 8000]")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that answer.  [default: serving.workers, or 1]")
@click.option(
    "--auth", type=click.Choice(["keys", "proxy", "none"]), help="How callers are told apart.  [default: serving.auth]"
)
@click.option("--probes-port", type=click.IntRange(0, 65535), help="Health and metrics on a port of their own.")
@click.option("--root-path", help="What a proxy puts before every path.")
@click.option("--request-log/--no-request-log", default=None, help="One JSON line a request.  [default: yes]")
@click.option("--results", help="The output of `nbship predict`: its predictions are found by key at /results.")
@click.option(
    "--other-versions", is_flag=True, help="Take a package made with other versions, if its golden rows say so."
)
def command(package: Path | None, model: str | None, other_versions: bool, **options: object) -> None:
    """Serve the model over REST, until Ctrl-C.

    PACKAGE is a folder or a wheel; without it, the project's own package. Every answer is logged before
    it leaves. The address answers /predict, /feedback, the Open Inference Protocol (/v2), MLflow's
    /invocations, /metrics, health checks, and /docs for people.

    \b
    Example:
        nbship serve --port 8000
        curl http://127.0.0.1:8000/v2/health/ready
    """
    from ..inference import find_deployment
    from ..serving import serve

    given = {name: value for name, value in options.items() if value is not None}
    serve(find_deployment(package, model=model), options=given, other_versions=other_versions, say=click.echo)
    click.echo("Stopped.")
