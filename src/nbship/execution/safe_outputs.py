"""Outputs for a page that others open: no script, no form, nothing from other hosts.

A monitoring notebook shows values that users of a model sent. So markup of outputs is reduced to text, tables, links and
images, and the page's policy tells browsers to run nothing, in case that a tag is missed.
"""

from __future__ import annotations

import copy
import re
from typing import Any

__all__ = ["POLICY", "safe_outputs"]

POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:; base-uri 'none'; form-action 'none'\">"
)
_TAGS = [
    *("a", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details", "div", "dl", "dt", "em"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "summary"),
    *("sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"),
]  # fmt: skip
_ATTRIBUTES = {"*": ["align", "class", "colspan", "rowspan", "scope", "style", "title"], "a": ["href"]}
_STYLES = [
    *("background-color", "border", "border-bottom", "border-collapse", "border-left", "border-right", "border-top", "color"),
    *("font-family", "font-size", "font-style", "font-weight", "height", "margin", "max-width", "min-width", "overflow-wrap"),
    *("padding", "text-align", "text-decoration", "vertical-align", "white-space", "width"),
]  # fmt: skip
_KEPT = {"text/plain", "image/png", "image/jpeg"}
_MARKUP = ("text/html", "text/markdown")
_SCRIPT, _STYLE = re.compile(r"<\s*/?\s*script", re.IGNORECASE), re.compile(r"(?is)<style\b.*?(?:</style\s*>|\Z)")
_LEFT_OUT = "This output needs JavaScript, or a format that this page does not show. Open the notebook to see it."


def safe_outputs(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook whose outputs hold text, tables and images only.

    What needs JavaScript is replaced by its image, or else by a sentence; so are other formats, such as SVG.

    Examples
    --------
    >>> output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>5</b><form action='//x'>"}}
    >>> found = safe_outputs({"cells": [{"cell_type": "code", "outputs": [output]}]})
    >>> found["cells"][0]["outputs"][0]["data"]["text/html"].strip()
    '<b>5</b>'
    """
    import nbformat
    from nbconvert.preprocessors.sanitize import SanitizeHTML

    sanitizer = SanitizeHTML(
        tags=_TAGS, attributes=_ATTRIBUTES, styles=_STYLES, strip=True, safe_output_keys=_KEPT, sanitized_output_types=set(_MARKUP)
    )  # type: ignore[no-untyped-call]  # fmt: skip
    safe: dict[str, Any] = nbformat.from_dict(copy.deepcopy(notebook))  # type: ignore[no-untyped-call]
    for cell in safe["cells"]:
        if cell["cell_type"] == "code":
            _without_scripts(cell["outputs"])
            sanitizer.sanitize_code_outputs(cell["outputs"])  # type: ignore[no-untyped-call]
    return safe


def _without_scripts(outputs: list[dict[str, Any]]) -> None:
    for data in [output["data"] for output in outputs if "data" in output]:
        for kind in _MARKUP:
            # A notebook file holds a string or its lines.
            markup = "".join(data.get(kind, ()))
            if kind in data and _SCRIPT.search(markup):
                del data[kind]
                # The text beside it is often only a name, such as '<Figure>'.
                data["text/plain"] = _LEFT_OUT
            elif kind in data:
                data[kind] = _STYLE.sub("", markup)
        if not {*data} & {*_KEPT, *_MARKUP}:
            data["text/plain"] = _LEFT_OUT
