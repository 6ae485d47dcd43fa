"""The REST service for any ASGI server: `uvicorn app.rest:app`. `nbship serve` is the same, with its address checked."""

from __future__ import annotations

from nbship.serving import application

app = application()
