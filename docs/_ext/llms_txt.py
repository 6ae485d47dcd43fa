"""Write `llms.txt`: every page with its address and its first sentence, for programs that read documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True}


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    lines = [f"# {app.config.project}", "", f"> {_first_sentence(app, 'index')}", ""]
    for name in sorted(app.env.found_docs - {"index"}):
        lines.append(
            f"- [{app.env.titles[name].astext()}]({app.builder.get_target_uri(name)}): {_first_sentence(app, name)}"
        )
    Path(app.outdir, "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _first_sentence(app: Sphinx, name: str) -> str:
    for paragraph in app.env.get_doctree(name).findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        return text.split(". ")[0].rstrip(".:") + "."
    return ""
