"""The contract of a model: fields, their checks, columns and outputs."""

from __future__ import annotations
