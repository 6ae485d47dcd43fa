"""`nbship serve`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command()
@click.argument("package", required=False, type=click.Path(path_type=Path))
@click.option("--host", help="Address to listen on; loopback only.  [default: serving.host, or 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: serving.port, or 8000]")
@click.option(
    "--other-versions", is_flag=True, help="Take a package made with other versions, if its golden rows say so."
)
def command(package: Path | None, host: str | None, port: int | None, other_versions: bool) -> None:
    """Serve the model over REST, until Ctrl-C.

    PACKAGE is a folder; without it, the project's own package. Every answer is logged before
    it leaves. The address answers /predict, /feedback, health checks, and /docs for people.

    \b
    Example:
        nbship serve --port 8000
        curl http://127.0.0.1:8000/v2/health/ready
    """
    from ..inference import as_json, find_place
    from ..serving import Service, bind, check_loopback, example_curl, run

    place = find_place(package)
    host = host or place.settings.serving.host
    check_loopback(host)
    taken = bind(host, place.settings.serving.port if port is None else port)
    try:
        logged = place.open_logged(mode="rest", other_versions=other_versions)
    except BaseException:
        taken.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{taken.getsockname()[1]}"

    def announce() -> None:
        click.echo(f"{logged.name} {logged.version} answers at {address} and logs to {place.log}")
        click.echo(f"Its fields, and a page to try it: {address}/docs. Ctrl-C stops it. For example:")
        click.echo(f"  {example_curl(as_json(logged.example).encode(), address=address)}")

    run(Service(lambda: logged), taken, announce=announce)
    click.echo("Stopped.")
