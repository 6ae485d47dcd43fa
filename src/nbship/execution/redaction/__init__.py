"""Secrets, taken out of outputs, tracebacks and reports."""

from __future__ import annotations

from .secrets import Redactor, redact_executed, redacted, redactor

__all__ = ["Redactor", "redact_executed", "redacted", "redactor"]
