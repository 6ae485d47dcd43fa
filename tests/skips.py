"""In continuous integration a skipped test fails: everything that tests need must be installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeVar

import pytest

# Allowed skips in continuous integration: the start of the reason, and why it is allowed.
ALLOWED = {
    "Only root can mount a small disk": "continuous integration may run as another user",
    "This system does not report": "a container may forbid the call",
    "scikit-learn reads estimators of its own minor version only": "a run with another scikit-learn cannot read them",
}
_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def fail_if_skipped(report: _Report) -> _Report:
    """Turn the report of a skipped test or module into that of a failed one, in continuous integration."""
    expected_to_fail = hasattr(report, "wasxfail")
    if not os.environ.get("CI") or not report.skipped or expected_to_fail:
        return report
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(tuple(ALLOWED)):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which is a failure in continuous integration: {reason}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Iterator[None]:
    return fail_if_skipped((yield))
