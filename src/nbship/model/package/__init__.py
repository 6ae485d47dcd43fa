"""Reading a package: manifest, digests, code, provenance and the loaded model."""

from __future__ import annotations
