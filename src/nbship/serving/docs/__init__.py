"""OpenAPI, generated from the signature, and the page to try the service."""

from __future__ import annotations
