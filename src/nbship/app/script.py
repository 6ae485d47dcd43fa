"""The script of `nbship app` for projects without `app/streamlit_app.py`."""

from __future__ import annotations

# Streamlit runs this file as a script, where relative imports do not work.
from nbship.app import show_app

show_app()
