"""The REST service for any ASGI server: `uvicorn app.rest:app`. `nbship serve` also checks the address and port."""

from __future__ import annotations

from nbship.serving import application

app = application()
