"""A stage's notebook in JupyterLab, in a real browser, on the project's warm kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import free_port, new_page, require_browser, wait_for
from waiting import PATIENCE

sys.path.insert(0, str(Path(__file__).parents[1]))

from execution.two_stages import call, write_project

TOKEN = "in-a-browser"
MORE = [
    "import matplotlib.pyplot as plt\nimport pandas as pd\nplt.figure(figsize=(5, 2))\nplt.plot(values[:6], 'o-');",
    "pd.DataFrame({'place': range(3), 'value': values[:3]})",
    "import os\nfrom pathlib import Path\nstarter = Path(f'/proc/{os.getppid()}/cmdline').read_text()\n"
    "print('warm' if 'nbship.execution.kernels.forkserver' in starter else 'cold', os.getpid())",
    "import time\nprint('begun', flush=True)\nfor second in range(waited):\n    time.sleep(1)\nprint('waited to the end')",
]

require_browser()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("lab") / "project")
    path = root / "notebooks/20_fit.ipynb"
    content = json.loads(path.read_text())
    last = content["cells"][-1]
    content["cells"] += [{**last, "id": f"m{number}", "source": source} for number, source in enumerate(MORE)]
    content["cells"][-1]["source"] = "waited = 0\n" + content["cells"][-1]["source"]
    path.write_text(json.dumps(content, indent=1))
    done = call(root, "nbship", "run")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def address(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("jupyter")
    port = free_port()
    command = [
        sys.executable, "-m", "nbship", "lab", "--no-browser", "--allow-root", f"--port={port}",
        f"--IdentityProvider.token={TOKEN}",
    ]  # fmt: skip
    own = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=project, env={**os.environ, **own}, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token={TOKEN}", server, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(PATIENCE)
    assert "ordinary process" not in (folder / "log").read_text()


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    with new_page(height=1400) as page:
        page.goto(f"{address}/lab/tree/notebooks/20_fit.ipynb?reset&token={TOKEN}")
        idle(page)
        yield page


def idle(page: Any) -> None:
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def choose(page: Any, menu: str, item: str) -> None:
    page.get_by_role("menubar").first.get_by_text(menu, exact=True).click()
    page.get_by_role("menuitem", name=item).first.click()


def outputs(page: Any) -> Any:
    return page.locator(".jp-NotebookPanel:visible .jp-Cell-outputArea")


def test_a_stage_runs_is_interrupted_and_restarted(page: Any, project: Path) -> None:
    tracked = {path: path.read_bytes() for path in (project / "products").iterdir()}
    choose(page, "Run", "Run All Cells")
    outputs(page).get_by_text("waited to the end").wait_for()
    idle(page)
    kernel = outputs(page).get_by_text("warm ").inner_text()
    assert outputs(page).get_by_text("hand ").count() == 1
    assert outputs(page).locator("img").count() == 1
    assert outputs(page).locator("table.dataframe").count() == 1
    assert {path: path.read_bytes() for path in (project / "products").iterdir()} == tracked
    assert page.get_by_text("Jupyter news").count() == 0

    last = page.locator(".jp-NotebookPanel:visible .jp-CodeCell").last
    last.locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("End")
    page.keyboard.press("Backspace")
    page.keyboard.type("60")
    page.keyboard.press("Control+Enter")
    outputs(page).get_by_text("begun", exact=True).wait_for()
    choose(page, "Kernel", "Interrupt Kernel")
    outputs(page).get_by_text("KeyboardInterrupt").first.wait_for()
    idle(page)

    choose(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    outputs(page).get_by_text("KeyboardInterrupt").first.wait_for(state="hidden")
    outputs(page).get_by_text("begun", exact=True).wait_for()
    again = outputs(page).get_by_text("warm ").inner_text()
    assert again != kernel
    page.screenshot(path=project.parent / "lab.png")
