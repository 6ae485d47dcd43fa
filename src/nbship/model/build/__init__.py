"""Making a package: files, proofs, reference, card, wheel, container. Never part of a wheel."""

from __future__ import annotations
