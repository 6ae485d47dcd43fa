"""Take the pictures of the app and of monitoring reports: `python docs/images/take_screenshots.py`, after `make run`
and `make demo-watch`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
WATCHED = HERE.parents[1] / ".nbship" / "scratch" / "watch"
# Picture -> page of the watched project, and the size of the window.
REPORTS = {
    "report-weeks.png": ("index.html", (900, 700)),
    "report-week.png": ("2013-10-14_2013-10-21/report.html", (900, 700)),
    "report-month.png": ("2013-10-01_2013-11-01/monitor_performance.html", (900, 1000)),
    "report-fault.png": ("2013-08-12_2013-08-19/report.html", (900, 700)),
    "report-fault-phone.png": ("2013-08-12_2013-08-19/report.html", (390, 700)),
}


def main() -> None:
    """Start the app of this project with an empty log, predict once, and write `app.png`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as state:
        app = subprocess.Popen(
            [sys.executable, "-m", "nbship", "app", "--port", str(port), "--no-open"],
            cwd=HERE.parents[1],
            env={**os.environ, "NBSHIP_STATE": state},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
            _take(f"http://127.0.0.1:{port}", HERE / "app.png")
        finally:
            app.terminate()
            app.wait()
    month = ["--from", "2013-10-01", "--to", "2013-11-01"]
    subprocess.run([sys.executable, "-m", "nbship", "monitor", *month], cwd=WATCHED, check=True)
    _take_reports(WATCHED / ".nbship" / "state" / "monitoring")


def _take_reports(folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
        )
        for name, (page_path, (width, height)) in REPORTS.items():
            dark = "dark" if name.endswith("phone.png") else "light"
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=dark)
            page.goto((folder / page_path).absolute().as_uri())
            page.screenshot(path=HERE / name)
        browser.close()


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The app did not start.")


def _take(address: str, path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 860})
        page.set_default_timeout(60_000)
        page.goto(address)
        page.get_by_role("button", name="Predict").click()
        page.get_by_test_id("risk").wait_for()
        page.wait_for_timeout(1_000)  # animations end
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main()
