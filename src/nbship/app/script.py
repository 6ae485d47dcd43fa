"""The script that `nbship app` runs where a project has no `app/streamlit_app.py` of its own."""

from __future__ import annotations

# Streamlit runs this file as a script, which has no package to be relative to.
from nbship.app import show_app

show_app()
