"""Shared by tests of web pages: a browser, a free port, and waiting for a server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def require_browser() -> None:
    """Skip the module if no browser is installed."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: make browser", allow_module_level=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server responds; fail with its log if it ends."""
    wait_until(lambda: server.poll() is not None or _answers(url))
    assert server.poll() is None, log.read_text(encoding="utf-8")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


@contextmanager
def new_page(*, height: int) -> Iterator[Any]:
    """Open a page 1,280 pixels wide, with a long timeout for elements."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": height})
        page.set_default_timeout(PATIENCE * 1000)
        yield page
        browser.close()
