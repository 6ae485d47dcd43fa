"""The public surface, pinned; and the framework's independence of its reference project."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "nbship"
# Commands are imported by their name on the command line.
FACES = sorted(
    ".".join(path.parent.relative_to(SOURCE.parent).parts)
    for path in SOURCE.rglob("*/__init__.py")
    if path.parent.name != "cli" and len(list(path.parent.glob("*.py"))) > 1
)

# What notebooks, projects and other programs import.
PUBLIC = {
    "nbship": ["__version__"],
    "nbship.app": ["page_script", "show_app"],
    "nbship.data": [
        "Check",
        "Column",
        "DuckDBSource",
        "Key",
        "Lookup",
        "LookupSource",
        "SQLiteSource",
        "Source",
        "Table",
        "TableSource",
        "Validation",
        "open_source",
        "validate",
    ],
    "nbship.gate": [
        "Check",
        "Limits",
        "Report",
        "at_least",
        "at_most",
        "expectation_problems",
        "judge",
        "plot_differences",
        "plot_gains",
        "plot_slices",
        "time_rounds",
    ],
    "nbship.metrics": [
        "MEASURES",
        "Comparison",
        "Estimate",
        "Measures",
        "block_auc",
        "block_mean",
        "block_numbers",
        "by_slice",
        "calibration_curve",
        "calibration_line",
        "classification",
        "compare_models",
        "highest_rate",
        "holm",
        "listed_tests",
        "regression",
        "share_evidence",
        "shrunk",
        "slice_rows",
    ],
    "nbship.model": [
        "ColumnFeatures",
        "Field",
        "Manifest",
        "Output",
        "Provenance",
        "Signature",
        "build_package",
        "build_wheel",
        "columns_of",
        "load_estimator",
        "save_estimator",
        "to_local",
    ],
    "nbship.monitoring": [
        "Compared",
        "Observed",
        "Window",
        "build_report",
        "days_over",
        "end_of_today",
        "last_whole_month",
        "observe",
        "open_model_log",
        "parse_window",
        "read_report",
        "read_reports",
        "read_signature",
        "report_paths",
        "report_window",
        "whole_windows",
        "write_report",
        "write_report_of",
    ],
    "nbship.notebook": [
        "Context",
        "OpenStage",
        "Origin",
        "PINNED",
        "canonical_json",
        "open_stage",
        "pin",
    ],
    "nbship.predictor": [
        "ModelId",
        "Package",
        "PackagePredictor",
        "Predictions",
        "Predictor",
        "RecordPredictions",
        "load",
        "load_files",
        "read_package",
    ],
    "nbship.registry": [
        "Approval",
        "Assignment",
        "Comparison",
        "Difference",
        "Event",
        "GateReport",
        "History",
        "Located",
        "PRODUCTION",
        "PackageRecord",
        "Pin",
        "Published",
        "Record",
        "Registry",
        "Version",
        "approvers_of",
        "archive",
        "behind_pins",
        "check_approved",
        "compare_versions",
        "describe_gate",
        "describe_version",
        "fetch_version",
        "is_behind",
        "locate",
        "locate_digest",
        "mirror",
        "open_registry",
        "pin",
        "pin_path",
        "promote",
        "read_pin",
        "read_version",
        "register",
        "roll_back",
        "search_versions",
    ],
    "nbship.serving": [
        "Access",
        "KeyFile",
        "ROLES",
        "Service",
        "application",
        "application_of",
        "bind",
        "check_address",
        "example_curl",
        "key_file",
        "keys_of",
        "run",
        "serve",
    ],
    "nbship.training": [
        "Candidate",
        "Choice",
        "Fold",
        "Trial",
        "auc",
        "choose",
        "compare",
        "search",
        "split_by_time",
        "time_folds",
    ],
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_these(name: str) -> None:
    assert sorted(importlib.import_module(name).__all__) == sorted(PUBLIC[name])


@pytest.mark.parametrize("name", FACES)
def test_a_face_gives_what_it_lists(name: str) -> None:
    face = importlib.import_module(name)
    for each in face.__all__:
        assert not isinstance(getattr(face, each), ModuleType), f"{name}.{each} is a module: rename one of the two"


@pytest.mark.parametrize("name", FACES)
def test_a_face_is_all_that_other_folders_may_import(name: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    protected = {module for contract in contracts for module in contract.get("protected_modules", ())}
    folder = SOURCE.parent / name.replace(".", "/")
    modules = {f"{name}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
    assert f"{name}.*" in protected or modules <= protected


def test_no_folder_is_overfull() -> None:
    assert [str(folder) for folder in SOURCE.rglob("*") if len(list(folder.glob("*.py"))) > 20] == []


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
