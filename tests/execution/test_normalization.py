from __future__ import annotations

import json
import sys
import sysconfig
import uuid
from pathlib import Path

import pytest

from nbship.execution.html import render_html
from nbship.execution.normalization import normalize

from .notebooks import notebook

ROOT = Path("/home/ada/project")


def clean(*outputs: dict, metadata: dict | None = None) -> dict:
    executed = notebook("x")
    executed["cells"][0]["outputs"] = list(outputs)
    executed["metadata"] |= metadata or {}
    return normalize(executed, root=ROOT)


def stream(text: str) -> str:
    return clean({"output_type": "stream", "name": "stdout", "text": text})["cells"][0]["outputs"][0]["text"]


def rich(mime: str, content: str, **more: object) -> str:
    output = {"output_type": "display_data", "metadata": {}, "data": {mime: content, **more}}
    return clean(output)["cells"][0]["outputs"][0]["data"][mime]


@pytest.mark.parametrize(
    "text",
    [
        "140234 0x7f3a2b1c0d40 0xff",
        "deadbeefdeadbeefdeadbeefdeadbeef",
        "3f2b8c1e-1111-4222-8333-444455556666",
        "50%| of 3/4 [00:01]",
        "10 it [fast]",
        "/home/ada/projector/file and x/home/ada/project",
        "seen at 0x12",
    ],
)
def test_printed_text_is_not_changed(text: str):
    assert stream(text) == text
    assert rich("text/plain", text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<object at 0x7f3a2b1c0d40>", "<object at 0x0>"),
        ("This process (pid=12421) is multi-threaded", "This process (pid=0) is multi-threaded"),
        ("<code object f at 0x55d0c0ffee10, file", "<code object f at 0x0, file"),
        (f"{ROOT}/src/colours/red.py:3", "src/colours/red.py:3"),
        (f"in {ROOT}", "in ."),
        (f"'{ROOT}'", "'.'"),
        (f"{sysconfig.get_path('purelib')}/pandas/core.py:7: Warning", "site-packages/pandas/core.py:7: Warning"),
        (f"{sysconfig.get_path('stdlib')}/json/decoder.py", f"python{sys.version_info[0]}.{sys.version_info[1]}/json/decoder.py"),
        ("/tmp/ipykernel_4711/123456.py:2: UserWarning: no", "cell/123456.py:2: UserWarning: no"),
        ("100%|█████| 20/20 [00:02<00:00,  9.80it/s]", "100%|█████| 20/20"),
        ("fit:  50%|██   | 1.5k/3.0k [00:02<00:00,  9.80it/s, loss=1]", "fit:  50%|██   | 1.5k/3.0k"),
    ],
)  # fmt: skip
def test_varying_output_is_normalized(text: str, expected: str):
    assert stream(text) == expected


def test_tracebacks_are_normalised():
    trace = {
        "output_type": "error",
        "ename": "E",
        "evalue": "e",
        "traceback": [f"File {ROOT}/src/a.py:1", "<f at 0x7f3a2b1c0d40>"],
    }
    assert clean(trace)["cells"][0]["outputs"][0]["traceback"] == ["File src/a.py:1", "<f at 0x0>"]


def page(name: str, short: str) -> dict:
    """What plotly, Styler and a widget leave, with their random names."""
    dashed = str(uuid.UUID(name))
    html = (
        f'<div id="{dashed}" class="plotly"></div><script>Plotly.newPlot("{dashed}", [1, 2])</script>'
        f'<style>#T_{short}_row0_col1 {{color: red}}</style><table id="T_{short}"><td id="T_{short}_row0_col1">5</td></table>'
        f'<div id="map_{name}"></div><script>var map_{name} = L.map("map_{name}")</script>'
    )
    widget = {"model_id": name, "version_major": 2}
    return clean(
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": html, "text/plain": "<Styler at 0x7f3a2b1c0d40>"}},
        {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.jupyter.widget-view+json": widget, "text/plain": "bar"}},
        {"output_type": "display_data", "metadata": {"application/vnd.bokehjs_exec.v0+json": {"id": dashed}}, "data": {"application/javascript": f'embed("{dashed}")'}},
        metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {name: {"layout": f"IPY_MODEL_{name}"}}}}},
    )  # fmt: skip


def test_random_names_in_markup_become_stable_and_stay_consistent():
    one, other = page("0123456789abcdef0123456789abcdef", "a1b2c"), page("fedcba9876543210fedcba9876543210", "00ff1")
    assert one == other
    rendered = json.dumps(one)
    assert "0123456789abcdef" not in rendered
    assert "a1b2c" not in rendered
    html = one["cells"][0]["outputs"][0]["data"]["text/html"]
    name = html.split('id="')[1].split('"')[0]
    assert f'newPlot("{name}"' in html


def test_a_digest_shown_in_a_table_stays():
    table = (
        "<table><tr><td>0123456789abcdef0123456789abcdef</td><td>3f2b8c1e-1111-4222-8333-444455556666</td></tr></table>"
    )
    assert rich("text/html", table) == table


def test_an_image_is_not_text():
    image = "iVBORw0KGgo at 0x7f3a2b1c0d40"
    assert rich("image/png", image) == image


def test_patch_version_and_timings_are_removed():
    executed = notebook("x")
    executed["metadata"]["language_info"] = {"name": "python", "version": "3.11.7"}
    executed["cells"][0]["metadata"] = {"execution": {"iopub.status.busy": "2013-01-01"}, "tags": ["keep"]}
    done = normalize(executed, root=ROOT)
    assert done["metadata"]["language_info"] == {"name": "python", "version": "3.11"}
    assert done["cells"][0]["metadata"] == {"tags": ["keep"]}


def test_a_page_needs_no_network_and_is_the_same_each_time():
    executed = notebook("# Title")
    executed["cells"].append(
        {
            **notebook("x")["cells"][0],
            "id": "d",
            "outputs": [{"output_type": "display_data", "metadata": {}, "data": {"application/javascript": "f()"}}],
        }
    )
    pages = {render_html(executed, title="train") for _ in range(2)}
    assert len(pages) == 1
    html = pages.pop()
    assert "<title>train</title>" in html
    assert "<script src=" not in html
    assert "mathjax" not in html.lower()


def test_a_page_with_a_formula_keeps_mathjax():
    assert "mathjax" in render_html(notebook("# The rate $r^2$"), title="train").lower()
