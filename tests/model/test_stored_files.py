"""Damaged bytes are a corrupt package; a library that is not installed is not."""

from __future__ import annotations

import importlib

import pytest

from nbship.errors import CorruptPackageError, VersionMismatchError
from nbship.model.stored_files import reading


def test_a_library_that_is_not_installed_is_named_with_the_remedy() -> None:
    message = r"'code/season.py' needs 'no_such_library', which is not installed\. Install it"
    with pytest.raises(VersionMismatchError, match=message) as found, reading("code/season.py"):
        importlib.import_module("no_such_library.part")
    assert found.value.library == "no_such_library"


@pytest.mark.parametrize("error", [ValueError("no header"), MemoryError(), KeyError("base")], ids=str)
def test_any_other_exception_is_a_corrupt_package(error: Exception) -> None:
    message = r"^'tables\.npz' cannot be read: .+\. Build the package again\.$"
    with pytest.raises(CorruptPackageError, match=message), reading("tables.npz"):
        raise error
