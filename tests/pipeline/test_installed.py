"""The quick answer about what is installed is the standard library's."""

from __future__ import annotations

import importlib.util
from importlib import metadata

from nbship.pipeline.installed import normal_name, read_installed_modules, read_installed_versions


def test_modules_agree_with_importlib_metadata() -> None:
    expected = {
        module: sorted(set(map(normal_name, names))) for module, names in metadata.packages_distributions().items()
    }
    found = read_installed_modules()
    assert {module: found[module] for module in found if module in expected} == {
        module: expected[module] for module in expected if module in found
    }
    # Python 3.11 leaves out extension modules of one file; later versions add folders without modules.
    assert all(origin(module).endswith((".so", ".pyd")) for module in set(found) - set(expected))
    assert not any(origin(module) for module in set(expected) - set(found))


def origin(module: str) -> str:
    """Return the file that importing a top-level module would load, empty if there is none."""
    spec = importlib.util.find_spec(module)
    return spec.origin or "" if spec else ""


def test_versions_agree_with_importlib_metadata() -> None:
    versions, requirements = read_installed_versions()
    found = {normal_name(each.metadata["Name"]): each for each in metadata.distributions()}
    assert versions == {name: each.version for name, each in found.items()}
    for name, each in found.items():
        plain = {
            normal_name(line.partition("[")[0].partition(" ")[0])
            for line in each.requires or ()
            if ";" not in line and line.replace("-", "").replace("_", "").isalnum()
        }
        assert plain <= set(requirements[name]), name
    assert "numpy" in requirements["pandas"]
