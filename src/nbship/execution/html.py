"""Render an executed notebook as one HTML page that works offline."""

from __future__ import annotations

import importlib
import itertools
import re
from typing import Any

from ..errors import StageError
from ..text import first_line
from .safe_outputs import POLICY, safe_outputs

__all__ = ["import_renderer", "render_html"]

_FORMULA = re.compile(r"\$\$|\\begin\{|\\\(|(?<!\\)\$[^\s$][^$\n]*\$")
_EMPTY_SCRIPT = re.compile(r'<script src="">\s*</script>')
# For readers: a comfortable line length, wide tables that scroll, dark where the reader prefers it. Figures stay light.
_READABLE = """<style>
body.jp-Notebook { max-width: 1000px; margin: 0 auto; padding: 24px; }
.jp-MarkdownOutput, .jp-RenderedHTMLCommon { padding-left: 0; padding-right: 0; }
.jp-RenderedHTML { overflow-x: auto; }
@media (max-width: 40rem) { body.jp-Notebook { padding: 8px; } }
@media (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark; --jp-layout-color0: #111; --jp-layout-color1: #111; --jp-layout-color2: #222; --jp-layout-color3: #333;
    --jp-content-font-color0: #fff; --jp-content-font-color1: #e6e6e6; --jp-content-font-color2: #ccc; --jp-content-link-color: #8ab4f8;
    --jp-ui-font-color0: #fff; --jp-ui-font-color1: #e6e6e6; --jp-ui-font-color2: #ccc; --jp-border-color0: #444; --jp-border-color1: #444;
    --jp-rendermime-table-row-background: #1b1b1b; --jp-rendermime-table-row-hover-background: #26323d;
    --nbship-ok: #6fcf97; --nbship-notice: #7fb8e8; --nbship-insufficient: #a9b3bd; --nbship-warning: #f0b050; --nbship-alert: #ff8095;
  }
  body.jp-Notebook { background: #111; }
  .jp-RenderedImage img { background: #fff; border-radius: 4px; }
}
</style>
"""
_MATHJAX = re.compile(r"(?s)<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->")


def import_renderer() -> None:
    """Import what `render_html` needs, which takes a second."""
    importlib.import_module("nbconvert")
    importlib.import_module("nbconvert.preprocessors.sanitize")


def render_html(notebook: dict[str, Any], *, title: str, code: bool = True) -> str:
    """Render a notebook as a page; the same notebook gives the same bytes.

    The page is self-contained unless a Markdown cell holds a formula: then the browser loads MathJax, and shows the
    formula's source if it is offline. Without `code` the page is one to host for readers: it shows only text and results,
    runs no script, and loads nothing from other hosts, also for formulas.

    Raises
    ------
    StageError
        If nbconvert cannot render a cell: a missing attachment, metadata of a wrong type.
    """
    import nbformat
    from nbconvert import HTMLExporter

    hidden = {} if code else {"exclude_input": True, "exclude_input_prompt": True, "exclude_output_prompt": True}
    exporter = HTMLExporter(embed_images=True, require_js_url="", jquery_url="", **hidden)  # type: ignore[no-untyped-call]
    numbers = itertools.count(1)
    exporter.environment.globals["uuid4"] = lambda: f"output-{next(numbers)}"
    node = nbformat.from_dict(notebook if code else safe_outputs(notebook))  # type: ignore[no-untyped-call]
    try:
        body, _ = exporter.from_notebook_node(node, {"metadata": {"name": title}})
    except Exception as error:  # templates and filters raise errors of any class
        reason = first_line(error, otherwise=type(error).__name__).rstrip(".")
        raise StageError(f"The HTML page of '{title}' cannot be rendered: {reason}. Correct the cell.") from error
    page = _EMPTY_SCRIPT.sub("", str(body))
    if not code:
        page = page.replace("<head>", f"<head>{POLICY}", 1).replace("</head>", f"{_READABLE}</head>", 1)
    return page if code and _has_formula(notebook) else _MATHJAX.sub("", page, count=1)


def _has_formula(notebook: dict[str, Any]) -> bool:
    return any(
        _FORMULA.search("".join(cell["source"])) for cell in notebook["cells"] if cell["cell_type"] == "markdown"
    )
