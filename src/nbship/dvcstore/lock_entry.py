"""What `dvc.lock` says of a stage: its command, the content of its dependencies and products, its parameters."""

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
    "dependencies",
    "differences",
    "make_entry",
    "products",
    "run_key",
    "run_value",
    "same_inputs",
    "with_products",
]

# An entry as it stands in the file, its keys in DVC's order.
Entry = dict[str, Any]

_DEFAULT = "params.yaml"


def make_entry(
    command: str, files: Iterable[str], params: Mapping[str, Mapping[str, Any]], *, root: Path, digests: Digests
) -> Entry:
    """Return the entry of a stage without its products; a dependency that is not there is left out.

    Parameters
    ----------
    files
        Its dependencies, relative to `root`.
    params
        File -> key -> value.
    """
    entry: Entry = {"cmd": command}
    found = ((path, read_content(root / path, digests)) for path in sorted(files))
    if deps := [content.recorded(path) for path, content in found if content]:
        entry["deps"] = deps
    if params := {path: values for path, values in params.items() if values}:
        order = sorted(params, key=lambda path: (path != _DEFAULT, path))
        entry["params"] = {path: {key: params[path][key] for key in sorted(params[path])} for path in order}
    return entry


def with_products(entry: Entry, contents: Mapping[str, Content]) -> Entry:
    """Return a whole entry."""
    return {**entry, "outs": [contents[path].recorded(path) for path in sorted(contents)]}


class Difference(NamedTuple):
    """Something that is not as it was recorded.

    Attributes
    ----------
    kind
        "stage" (not recorded at all), "command", "dependency", "parameter" or "product".
    name
        Path of a dependency or product, key of a parameter.
    file
        In which a parameter stands.
    recorded, now
        The digest or the value; None where there is none.
    """

    kind: str
    name: str
    recorded: Any
    now: Any
    file: str = ""


def differences(
    recorded: Mapping[str, Any] | None, entry: Entry, made: Mapping[str, str] | None = None
) -> Iterator[Difference]:
    """Yield what makes a stage stale, as DVC judges it: values compare by value and type, the order never counts.

    Parameters
    ----------
    recorded
        The stage's entry in `dvc.lock`.
    entry
        What it would be now, without products.
    made
        Product -> md5 of those that are there; None leaves products out of the comparison.
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
    if made is not None:
        yield from _changed("product", products(recorded), made)


def _changed(kind: str, before: Mapping[str, Any], now: Mapping[str, Any], *, file: str = "") -> Iterator[Difference]:
    for name in dict.fromkeys((*now, *before)):
        absent = (name in before) != (name in now)
        if absent or not same(_plain(before[name]), _plain(now[name])):
            yield Difference(kind, name, before.get(name), now.get(name), file)


def same_inputs(recorded: Mapping[str, Any] | None, entry: Entry) -> bool:
    """Tell whether a recorded entry is of the same command, dependencies and parameters."""
    return not any(differences(recorded, entry))


def dependencies(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the md5 of each file and folder that an entry's stage reads."""
    return _digests(entry, "deps")


def products(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the md5 of each product of a recorded entry."""
    return _digests(entry, "outs")


def run_key(entry: Entry, paths: Iterable[str]) -> str:
    """Return the name that the run cache has for a stage with these inputs and products.

    As `dvc.stage.cache._get_cache_hash`: sizes do not count.
    """
    return _sha256({**entry, "outs": sorted(paths)})


def run_value(entry: Mapping[str, Any]) -> str:
    """Return the name of one run's entry in the run cache."""
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
