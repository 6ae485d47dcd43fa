"""What tests of pages share: a browser, a port, and patience while a server starts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def require_browser() -> None:
    """Skip the module where there is no browser; in CI that is a failure."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(
                "Chromium is not installed, and CI must look at the page. Install it: make browser.", pytrace=False
            )
        pytest.skip("Chromium is not installed: make browser", allow_module_level=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, *, seconds: float) -> None:
    """Wait until a server answers; fail with its log if it ends or does not."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"The server did not start: {log.read_text()}")


@contextmanager
def new_page(*, height: int, seconds: float) -> Iterator[Any]:
    """Open a page of 1,280 pixels' width that waits so long for what a test asks for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": height})
        page.set_default_timeout(seconds * 1000)
        yield page
        browser.close()
