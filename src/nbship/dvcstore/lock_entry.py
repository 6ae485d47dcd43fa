"""Entries of `dvc.lock`: a stage's command, dependencies, parameters and products."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..project import same
from .digests import Digests
from .hashing import Content, read_content

__all__ = [
    "Difference",
    "Entry",
    "dependency_digests",
    "find_differences",
    "make_entry",
    "product_digests",
    "run_key",
    "run_value",
    "same_inputs",
    "with_products",
]

# An entry as in the file, with its keys in DVC's order.
Entry = dict[str, Any]

_DEFAULT = "params.yaml"


def make_entry(
    command: str, files: Iterable[str], params: Mapping[str, Mapping[str, Any]], *, root: Path, digests: Digests
) -> Entry:
    """Return the entry of a stage without its products; missing dependencies are left out.

    Parameters
    ----------
    files
        Its dependencies, relative to `root`.
    params
        File -> key -> value.
    """
    entry: Entry = {"cmd": command}
    found = ((path, read_content(root / path, digests)) for path in sorted(files))
    if deps := [content.as_entry(path) for path, content in found if content]:
        entry["deps"] = deps
    if params := {path: values for path, values in params.items() if values}:
        order = sorted(params, key=lambda path: (path != _DEFAULT, path))
        entry["params"] = {path: {key: params[path][key] for key in sorted(params[path])} for path in order}
    return entry


def with_products(entry: Entry, contents: Mapping[str, Content]) -> Entry:
    """Return an entry with its products added."""
    return {**entry, "outs": [contents[path].as_entry(path) for path in sorted(contents)]}


class Difference(NamedTuple):
    """A difference between a recorded entry and the current state.

    Attributes
    ----------
    kind
        "stage" (not recorded), "command", "dependency", "parameter" or "product".
    name
        Path of a dependency or product, key of a parameter.
    file
        The file of a parameter.
    recorded, now
        The digest or value; None if there is none.
    """

    kind: str
    name: str
    recorded: Any
    now: Any
    file: str = ""


def find_differences(
    recorded: Mapping[str, Any] | None, entry: Entry, products: Mapping[str, str] | None = None
) -> Iterator[Difference]:
    """Yield the differences that make a stage stale by DVC's rules: values and types count, order does not.

    Parameters
    ----------
    recorded
        The stage's entry in `dvc.lock`.
    entry
        The entry for the current state, without products.
    products
        Product -> md5 of the existing ones; None leaves products out of the comparison.
    """
    if recorded is None:
        yield Difference("stage", "", None, None)
        return
    if recorded.get("cmd") != entry["cmd"]:
        yield Difference("command", "", recorded.get("cmd"), entry["cmd"])
    yield from _changed("dependency", _digests(recorded, "deps"), _digests(entry, "deps"))
    before, now = recorded.get("params") or {}, entry.get("params") or {}
    for file in dict.fromkeys((*now, *before)):
        yield from _changed("parameter", before.get(file) or {}, now.get(file) or {}, file=file)
    if products is not None:
        yield from _changed("product", product_digests(recorded), products)


def _changed(kind: str, before: Mapping[str, Any], now: Mapping[str, Any], *, file: str = "") -> Iterator[Difference]:
    for name in dict.fromkeys((*now, *before)):
        absent = (name in before) != (name in now)
        if absent or not same(_plain(before[name]), _plain(now[name])):
            yield Difference(kind, name, before.get(name), now.get(name), file)


def same_inputs(recorded: Mapping[str, Any] | None, entry: Entry) -> bool:
    """Tell whether a recorded entry has the same command, dependencies and parameters."""
    return not any(find_differences(recorded, entry))


def dependency_digests(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the md5 of each dependency of an entry."""
    return _digests(entry, "deps")


def product_digests(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the md5 of each product of an entry."""
    return _digests(entry, "outs")


def run_key(entry: Entry, paths: Iterable[str]) -> str:
    """Return the key in the run cache for a stage with these inputs and product paths.

    As in `dvc.stage.cache._get_cache_hash`, sizes are left out.
    """
    return _sha256({**entry, "outs": sorted(paths)})


def run_value(entry: Mapping[str, Any]) -> str:
    """Return the file name of a complete entry in the run cache."""
    return _sha256(entry)


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(_without_sizes(content), sort_keys=True).encode()).hexdigest()


def _without_sizes(content: Any) -> Any:
    if isinstance(content, list):
        return [_without_sizes(inner) for inner in content]
    if isinstance(content, Mapping):
        return {key: _without_sizes(inner) for key, inner in content.items() if key not in ("size", "nfiles")}
    return content


def _digests(entry: Mapping[str, Any], kind: str) -> Mapping[str, str]:
    return {each["path"]: each.get("md5", "") for each in entry.get(kind) or ()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
