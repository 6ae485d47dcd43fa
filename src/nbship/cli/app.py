"""`nbship app`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from .options import model_option

__all__ = ["command"]


@click.command()
@click.argument("package", required=False, type=click.Path(path_type=Path))
@model_option
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--open/--no-open", "browser", default=None, help="Open a browser.  [default: if there is a display]")
def command(package: Path | None, model: str | None, port: int, browser: bool | None) -> None:
    """Start the Streamlit app: a form for predictions, and the monitoring reports.

    The app is app/streamlit_app.py if the project has one, or else nbship's own. It listens on this
    machine only, and sends no data to other hosts.

    \b
    Example:
        nbship app --port 8501
    """
    from importlib.util import find_spec

    from ..app import page_script
    from ..errors import ServingError
    from ..inference import find_deployment
    from ..predictor import read_package
    from ..serving import bind

    if find_spec("streamlit") is None:
        raise ServingError(
            "The app needs Streamlit, which is not installed. Install it with: pip install 'nbship[app]'."
        )
    deployment = find_deployment(package, model=model)
    deployment.require_package()
    deployment.check_signer(read_package(deployment.package)[0])
    bind("127.0.0.1", port).close()
    if browser is None:
        browser = sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or sys.platform in ("darwin", "win32"))
    environ = {**os.environ, "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"}
    if package is not None:
        environ["NBSHIP_PACKAGE"] = str(package.absolute())
    if model is not None:
        environ["NBSHIP_MODEL"] = model
    click.echo(f"Serving the app at http://127.0.0.1:{port}. Press Ctrl-C to stop.")
    words = [
        "streamlit", "run", str(page_script(deployment.project)), f"--server.port={port}", "--server.address=127.0.0.1",
        f"--server.headless={str(not browser).lower()}", "--browser.gatherUsageStats=false",
        "--client.toolbarMode=minimal", "--theme.primaryColor=#1d4ed8",
    ]  # fmt: skip
    os.execve(sys.executable, [sys.executable, "-m", *words], environ)
