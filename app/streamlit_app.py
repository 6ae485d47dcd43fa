"""The Streamlit app: the form is made from the model's signature, its words are in nbship.yaml. Start it with `nbship app`."""

from __future__ import annotations

from nbship.serving.app import show_app

show_app()
