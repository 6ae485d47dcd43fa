"""The reference project of this very checkout, its pipeline run where it has to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkout import ROOT, command


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the checkout's root when its pipeline is up to date."""
    if not json.loads(command("nbship", "status", "--json").stdout)["current"]:
        command("nbship", "run")
    return ROOT
