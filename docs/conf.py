"""How Sphinx builds these pages: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "nbship"
author = "The nbship maintainers"
extensions = ["myst_parser", "sphinx_click", "generated", "llms_txt"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

myst_heading_anchors = 3
# Commands' help marks code as Markdown does.
default_role = "literal"

html_theme = "furo"
html_title = "nbship"
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
highlight_language = "text"
