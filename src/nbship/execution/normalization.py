"""Remove from outputs whatever differs between runs: memory addresses, random ids, folders, timings.

Numbers that a notebook prints stay. An address is replaced only after ` at ` or `<environment: `, and an id only
where markup uses it as an identifier:

    <object at 0x7f3a2b1c0d40>                        becomes  <object at 0x0>
    the address 0x7f3a2b1c0d40                        stays
    <div id="0123456789abcdef0123456789abcdef">       becomes  <div id="00000000000000000000000000000001">
    <td>0123456789abcdef0123456789abcdef</td>         stays
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["normalize"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RANDOM = rf"{_UUID}|[0-9a-f]{{32}}"
# Python prints addresses after ` at `; R prints them in environments, functions and pointers.
_ADDRESS = re.compile(r"(?:(?<= at )|(?<=<environment: )|(?<=<bytecode: )|(?<=<pointer: ))0x[0-9a-fA-F]{6,16}\b")
_CELL_FILE = re.compile(r"[^\s'\"<>]*/ipykernel_\d+/(\d+\.py)")
# Python 3.12 and later warn of a fork in a process with threads.
_PROCESS = re.compile(r"(?<=This process \(pid=)\d+(?=\))")
_PROGRESS = re.compile(r"(?m)(\d+%\|[^|\n]*\| *[\d.,kMG]+/[\d.,kMG]+|^\d+it|(?<=: )\d+it) \[[^\]\n]*\]")
# Positions in markup where a random string is an identifier, not visible text.
_IDENTIFIERS = (
    re.compile(rf"""\bid\s*=\s*\\?["'][\w-]*?({_RANDOM})"""),
    re.compile(rf"""getElementById\(\s*\\?["'][\w-]*?({_RANDOM})"""),
    re.compile(rf"""#[A-Za-z][\w-]*?[-_]({_RANDOM})"""),
    re.compile(rf"IPY_MODEL_({_RANDOM})"),
)
_SCRIPT = re.compile(r"(?s)<script\b.*?</script>")
_DASHED = re.compile(_UUID)
_STYLER = re.compile(r"""\bid=["']T_([0-9a-f]{5})["']""")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_VERSION = re.compile(r"^(\d+\.\d+)\..*$")


def normalize(notebook: dict[str, Any], *, root: Path) -> dict[str, Any]:
    """Return the executed notebook with outputs that do not depend on the run or the folder.

    Parameters
    ----------
    notebook
        An executed notebook; it is not changed.
    root
        The project's folder; outputs show it as `.`.
    """
    normalize_text = _TextNormalizer(root)
    cells = [_cell(cell, normalize_text) for cell in notebook["cells"]]
    metadata = _metadata(notebook["metadata"])
    names = _stable_names(_random_names(cells, metadata))
    if names:
        cells, metadata = _rename(cells, names), _rename(metadata, names)
    return {**notebook, "cells": cells, "metadata": metadata}


class _TextNormalizer:
    """Replaces folders, addresses and timings in text."""

    def __init__(self, root: Path) -> None:
        names = {
            sysconfig.get_path("purelib"): "site-packages",
            sysconfig.get_path("platlib"): "site-packages",
            sysconfig.get_path("stdlib"): f"python{sys.version_info.major}.{sys.version_info.minor}",
            str(root): ".",
            str(root.resolve()): ".",
            sys.prefix: "environment",
        }
        # The longest first, because the environment is usually inside the project.
        folders = sorted((folder for folder in names if len(folder) > 1), key=len, reverse=True)
        alternatives = "|".join(map(re.escape, folders))
        self._folder = re.compile(rf"(?<![\w.~-])({alternatives})(/|(?![\w.-]))")
        self._names = names

    def __call__(self, text: str) -> str:
        text = self._folder.sub(self._short_name, _CELL_FILE.sub(r"cell/\1", text))
        text = _PROCESS.sub("0", _ADDRESS.sub("0x0", text))
        return _PROGRESS.sub(r"\1", text)

    def _short_name(self, match: re.Match[str]) -> str:
        name = self._names[match[1]]
        return match[2] and "" if name == "." and match[2] else name + match[2]


def _cell(cell: dict[str, Any], normalize_text: Callable[[str], str]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    metadata = {key: value for key, value in cell["metadata"].items() if key not in {"execution", "papermill"}}
    outputs = [_map_strings(output, normalize_text) for output in cell["outputs"]]
    return {**cell, "metadata": metadata, "outputs": outputs}


def _map_strings(value: Any, function: Callable[[str], str], *, mime: str = "text/plain") -> Any:
    if isinstance(value, str):
        return value if _is_binary(mime) else function(value)
    if isinstance(value, list):
        return [_map_strings(inner, function, mime=mime) for inner in value]
    if isinstance(value, dict):
        return {key: _map_strings(inner, function, mime=key if "/" in key else mime) for key, inner in value.items()}
    return value


def _is_binary(mime: str) -> bool:
    return (mime.startswith(("image/", "audio/", "video/")) and mime != "image/svg+xml") or mime == "application/pdf"


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    normalized = {key: value for key, value in metadata.items() if key != "papermill"}
    language = normalized.get("language_info", {})
    if "version" in language:
        normalized["language_info"] = {**language, "version": _VERSION.sub(r"\1", language["version"])}
    return normalized


def _random_names(cells: list[dict[str, Any]], metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the random identifiers in markup, in order of appearance."""
    for cell in cells:
        for output in cell.get("outputs", ()):
            for mime, content in output.get("data", {}).items():
                yield from _identifiers(mime, content)
            for inner in output.get("metadata", {}).values():
                if isinstance(inner, dict) and re.fullmatch(_RANDOM, str(inner.get("id"))):
                    yield inner["id"]
    widgets = metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    yield from widgets.get("state", {})


def _identifiers(mime: str, content: Any) -> Iterator[str]:
    if mime == _WIDGET:
        yield content["model_id"]
    text = content if isinstance(content, str) else "".join(content) if isinstance(content, list) else ""
    if mime in {"text/html", "image/svg+xml", "application/javascript"}:
        for pattern in _IDENTIFIERS:
            yield from pattern.findall(text)
    scripts = [text] if mime == "application/javascript" else _SCRIPT.findall(text) if mime == "text/html" else []
    for script in scripts:
        yield from _DASHED.findall(script)
    if mime == "text/html" and "<style" in text:
        yield from (f"T_{short}" for short in _STYLER.findall(text))


def _stable_names(found: Iterator[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for name in found:
        number = len(names) + 1
        if name.startswith("T_"):
            names.setdefault(name, f"T_{number:05x}")
        elif "-" in name:
            names.setdefault(name, f"00000000-0000-0000-0000-{number:012x}")
        else:
            names.setdefault(name, f"{number:032x}")
    return names


def _rename(value: Any, names: Mapping[str, str]) -> Any:
    pattern = re.compile("|".join(rf"(?<![0-9a-f]){re.escape(name)}(?![0-9a-f])" for name in names))

    def rename(inner: Any, *, mime: str) -> Any:
        if isinstance(inner, str):
            plain = mime == "text/plain" or _is_binary(mime)
            return inner if plain else pattern.sub(lambda match: names[match[0]], inner)
        if isinstance(inner, list):
            return [rename(item, mime=mime) for item in inner]
        if isinstance(inner, dict):
            return {
                pattern.sub(lambda match: names[match[0]], key): rename(item, mime=key if "/" in key else mime)
                for key, item in inner.items()
            }
        return inner

    def outputs(cell: dict[str, Any]) -> dict[str, Any]:
        return {**cell, "outputs": rename(cell["outputs"], mime="")} if "outputs" in cell else cell

    return [outputs(cell) for cell in value] if isinstance(value, list) else rename(value, mime="")
