"""Compare two registered versions: gate, metrics, parameters, data, code, signature, size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model.package import Package
from .contents import read_version
from .history import Version
from .registration import describe_gate
from .registry import Registry

__all__ = ["Comparison", "Difference", "compare_versions", "describe_version"]


@dataclass(frozen=True)
class Difference:
    """A value that two versions do not share; None where one has none."""

    part: str
    name: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Comparison:
    """Two versions, and how the second differs from the first."""

    one: Version
    other: Version
    differences: tuple[Difference, ...]


def compare_versions(registry: Registry, one: Version, other: Version) -> Comparison:
    """Compare two versions.

    Raises
    ------
    RegistryError
        If the files of one are in neither DVC's cache nor its remote.
    """
    parts = [
        describe_version(version, read_version(registry.project, registry.git, version)) for version in (one, other)
    ]
    return Comparison(one, other, tuple(_differences(*parts)))


def describe_version(version: Version, package: Package) -> dict[str, dict[str, Any]]:
    """Return what a package was built from and what it does: part -> name -> value."""
    made, signature = package.provenance, package.signature
    acceptance = package.acceptance
    return {
        "gate": {"verdict": describe_gate(version.gate) if version.gate else "not recorded"},
        "metrics": dict(acceptance.metrics or {}),
        "parameters": {f"{stage}.{name}": value for stage, values in made.params.items() for name, value in values.items()},
        "data": dict(made.data),
        "notebooks": dict(made.notebooks),
        "modules": dict(made.modules),
        "libraries": dict(made.libraries),
        "inputs": {field["name"]: _without(field, "name") for field in signature.to_json()["inputs"]},
        "outputs": {field["name"]: _without(field, "name") for field in signature.to_json()["outputs"]},
        "package": {
            "files": len(package.files) + 1, "bytes": sum(map(len, package.files.values())),
        },
    }  # fmt: skip


def _differences(one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for part, values in one.items():
        for name in dict.fromkeys([*values, *other[part]]):
            before, after = values.get(name), other[part].get(name)
            if before == after:
                continue
            if part in ("inputs", "outputs") and before and after:
                # Of a field that both have, the properties that differ.
                for key in dict.fromkeys([*before, *after]):
                    if before.get(key) != after.get(key):
                        yield Difference(part, f"{name}.{key}", before.get(key), after.get(key))
            else:
                yield Difference(part, name, before, after)


def _without(field: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in field.items() if name != key}
