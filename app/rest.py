"""The REST service for any ASGI server: `uvicorn app.rest:app`. `nbship serve` also checks the address."""

from __future__ import annotations

from nbship.serving import application

app = application()
