"""Kernels: forked from a process that has the libraries imported, or started as processes of their own."""

from __future__ import annotations
