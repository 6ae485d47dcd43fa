"""The reference project of this checkout, with an up-to-date pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkout import ROOT, command


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the checkout's root, after running the pipeline if it is stale."""
    if not json.loads(command("nbship", "status", "--json").stdout)["current"]:
        command("nbship", "run")
    return ROOT
