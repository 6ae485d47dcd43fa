"""A skipped test fails in continuous integration, whatever skips it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPED = {
    "in a test": "def test(): pytest.skip('no service')",
    "by a mark": "@pytest.mark.skip(reason='no service')\ndef test(): pass",
    "by a condition": "pytestmark = pytest.mark.skipif(True, reason='no service')\ndef test(): pass",
    "in a fixture": "@pytest.fixture\ndef service(): pytest.skip('no service')\ndef test(service): pass",
    "by an import": "def test(): pytest.importorskip('no_service', reason='no service')",
    "a module": "pytest.skip('no service', allow_module_level=True)",
    "a module, by an import": "pytest.importorskip('no_service', reason='no service')\ndef test(): pass",
}


def run(folder: Path, source: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(f"import pytest\n{source}\n")
    own = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-m", "pytest", "-p", "skips", "-p", "no:cacheprovider", *words, "test_it.py"]
    own |= {"PYTHONPATH": str(Path(__file__).parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("source", SKIPPED.values(), ids=SKIPPED)
def test_a_skip_is_a_failure_in_continuous_integration_only(tmp_path: Path, source: str) -> None:
    assert run(tmp_path, source).returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    done = run(tmp_path, source, CI="true")
    assert done.returncode in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    assert "a failure in continuous integration: no service" in done.stdout


@pytest.mark.parametrize("name", ["in a test", "a module"])
def test_workers_report_a_skip_as_a_failure(tmp_path: Path, name: str) -> None:
    done = run(tmp_path, SKIPPED[name], "-p", "xdist", "-n", "1", CI="true")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "a failure in continuous integration: no service" in done.stdout


@pytest.mark.parametrize(
    "source",
    [
        "def test(): pass",
        "@pytest.mark.xfail(reason='known')\ndef test(): assert False",
        "def test(): pytest.xfail('known')",
        "def test(): pytest.skip('scikit-learn reads estimators of its own minor version only')",
    ],
    ids=["passed", "expected to fail", "expected to fail, found late", "on the list"],
)
def test_other_tests_are_unaffected(tmp_path: Path, source: str) -> None:
    assert run(tmp_path, source, CI="true").returncode == pytest.ExitCode.OK


def test_a_test_leaves_no_variable_behind(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from environments import environment_of_its_own\n")
    source = """\
import os
def test_changes():
    os.environ['NEW'] = '1'
    os.environ['HOME'] = '/changed'
    del os.environ['GIVEN']
def test_finds_what_was_there():
    assert (os.environ.get('NEW'), os.environ['GIVEN']) == (None, 'yes')
    assert os.environ['HOME'] != '/changed'
    assert 'finds_what_was_there' in os.environ['PYTEST_CURRENT_TEST']
"""
    done = run(tmp_path, source, GIVEN="yes", HOME="/before")
    assert done.returncode == pytest.ExitCode.OK, done.stdout
