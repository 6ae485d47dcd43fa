"""The public surface, pinned; and the framework's independence of its reference project."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "nbship"

PUBLIC = {
    "nbship": ["__version__"],
    "nbship.notebook": ["PINNED", "OpenStage", "Origin", "open_stage", "pin"],
    "nbship.model": [
        *("ColumnFeatures", "Field", "Manifest", "Output", "Provenance", "Signature", "build_package", "build_wheel"),
        *("columns_of", "load_estimator", "save_estimator", "to_local"),
    ],
    "nbship.predictor": ["PackagePredictor", "Predictions", "Predictor", "load", "load_files", "read_package"],
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_these(name: str) -> None:
    assert sorted(importlib.import_module(name).__all__) == sorted(PUBLIC[name])


def test_the_framework_knows_nothing_of_flights() -> None:
    words = re.compile(r"(?<!in[-_ ])(?<!pre)flight|carrier|airport|nycflights", re.IGNORECASE)
    found = [
        f"{path.name}:{n}"
        for path in SOURCE.rglob("*.py")
        for n, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert found == []


def test_importing_nbship_is_quick_and_quiet() -> None:
    script = (
        "import sys, logging; import nbship, nbship.cli;"
        "heavy = {'pandas', 'sklearn', 'numpy', 'dvc', 'ploomber', 'nbformat', 'streamlit', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy; assert not logging.getLogger().handlers"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
