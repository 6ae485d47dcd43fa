"""Each test starts with the environment variables of the test run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# pytest sets it during a test, and takes it away itself.
_PYTESTS_OWN = "PYTEST_CURRENT_TEST"


@pytest.fixture(autouse=True)
def environment_of_its_own() -> Iterator[None]:
    """Restore the environment variables that a test set, changed or deleted."""
    before = {name: value for name, value in os.environ.items() if name != _PYTESTS_OWN}
    yield
    for name in set(os.environ) - set(before) - {_PYTESTS_OWN}:
        del os.environ[name]
    os.environ.update(before)
