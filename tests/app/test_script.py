from __future__ import annotations

import sys
from pathlib import Path

import nbship.app


def test_no_module_next_to_the_script_shadows_the_standard_library() -> None:
    # Streamlit puts the folder of its script first on sys.path: a module `html` there would replace Python's own.
    modules = {path.stem for path in Path(nbship.app.__file__).parent.glob("*.py")}
    assert not modules & sys.stdlib_module_names
