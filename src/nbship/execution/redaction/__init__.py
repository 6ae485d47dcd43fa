"""Remove secrets from outputs, tracebacks and reports."""

from __future__ import annotations

from .secrets import Redactor, project_redactor, redact_executed, redacted

__all__ = ["Redactor", "project_redactor", "redact_executed", "redacted"]
