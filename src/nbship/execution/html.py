"""Render an executed notebook as one HTML page that works offline."""

from __future__ import annotations

import itertools
import re
from typing import Any

from ..errors import StageError
from ..text import first_line

__all__ = ["render_html"]

_FORMULA = re.compile(r"\$\$|\\begin\{|\\\(|(?<!\\)\$[^\s$][^$\n]*\$")
_EMPTY_SCRIPT = re.compile(r'<script src="">\s*</script>')
# A comfortable line length.
_READABLE = "<style>body.jp-Notebook { max-width: 1000px; margin: 0 auto; padding: 24px; }</style>\n"
_MATHJAX = re.compile(r"(?s)<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->")


def render_html(notebook: dict[str, Any], *, title: str, code: bool = True) -> str:
    """Render a notebook as a page; the same notebook gives the same bytes.

    Without `code` the page shows only text and results. The page is self-contained unless a Markdown cell holds a
    formula: then the browser loads MathJax, and shows the formula's source if it is offline.

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
    node = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    try:
        body, _ = exporter.from_notebook_node(node, {"metadata": {"name": title}})
    except Exception as error:  # templates and filters raise errors of any class
        reason = first_line(error, otherwise=type(error).__name__).rstrip(".")
        raise StageError(f"The HTML page of '{title}' cannot be rendered: {reason}. Correct the cell.") from error
    page = _EMPTY_SCRIPT.sub("", str(body))
    if not code:
        page = page.replace("</head>", f"{_READABLE}</head>", 1)
    return page if _has_formula(notebook) else _MATHJAX.sub("", page, count=1)


def _has_formula(notebook: dict[str, Any]) -> bool:
    return any(
        _FORMULA.search("".join(cell["source"])) for cell in notebook["cells"] if cell["cell_type"] == "markdown"
    )
