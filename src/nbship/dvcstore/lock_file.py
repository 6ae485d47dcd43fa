"""`dvc.lock`, split into stages so that changing one leaves the text of the others as DVC wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from ..text import one_line
from .lock_yaml import parse_block, render_block

__all__ = ["LockFile", "parse_lock", "read_lock"]

_HEAD = "schema: '2.0'\nstages:\n"
_STAGES = re.compile(r"^stages:\n", re.MULTILINE)
_NEXT = re.compile(r"^(?! )", re.MULTILINE)
_NAME = re.compile(r"^  ([A-Za-z_][\w@.-]*):\n", re.MULTILINE)


class LockFile(Mapping[str, Mapping[str, Any]]):
    """The entries of `dvc.lock` by stage, and the text of the file.

    Parameters
    ----------
    blocks
        The lines of each stage.
    head, tail
        The text before and after them.
    """

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, Any]] | None = None,
        blocks: Mapping[str, str] | None = None,
        *,
        head: str = _HEAD,
        tail: str = "",
    ) -> None:
        self._entries = entries or {}
        self._blocks = blocks or {}
        self._head = head
        self._tail = tail

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return a stage's entry: `cmd`, `deps`, `params`, `outs`."""
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def text(self) -> str:
        """The text of the file, identical to what DVC writes."""
        return "".join((self._head, *self._blocks.values(), self._tail))

    def with_stages(self, entries: Mapping[str, Mapping[str, Any]]) -> LockFile:
        """Return the lock file with entries replaced in place or added at the end, as DVC does.

        >>> print(LockFile().with_stages({"a": {"cmd": "nbship stage a"}}).text, end="")
        schema: '2.0'
        stages:
          a:
            cmd: nbship stage a
        """
        blocks = {name: render_block(name, entry) for name, entry in entries.items()}
        return LockFile({**self._entries, **entries}, {**self._blocks, **blocks}, head=self._head, tail=self._tail)

    def without(self, *names: str) -> LockFile:
        """Return the lock file without some stages."""
        return LockFile(
            {name: entry for name, entry in self._entries.items() if name not in names},
            {name: block for name, block in self._blocks.items() if name not in names},
            head=self._head,
            tail=self._tail,
        )


def read_lock(path: Path) -> LockFile:
    """Read `dvc.lock`; a missing file reads as empty.

    Raises
    ------
    PipelineError
        If the file is damaged.
    """
    try:
        return parse_lock(path.read_bytes().decode())
    except FileNotFoundError:
        return LockFile()
    except (OSError, UnicodeDecodeError, PipelineError) as cause:
        reason = str(cause).rstrip(".")
        raise PipelineError(
            f"'{path.name}' is damaged: {reason}. Restore it with `git checkout {path.name}`, "
            "or delete it: `nbship run` writes it again."
        ) from cause


@lru_cache(maxsize=2)
def parse_lock(text: str) -> LockFile:
    """Parse the text of `dvc.lock`.

    Raises
    ------
    PipelineError
        If it is not a lock file.
    """
    if not text.strip():
        return LockFile()
    try:
        head, body, tail = _parts(text)
        blocks = _blocks(body)
    except _UnusualLayoutError:
        return LockFile().with_stages(_loaded(text))
    entries = {name: _entry(name, block) for name, block in blocks.items()}
    return LockFile(entries, blocks, head=head, tail=tail)


class _UnusualLayoutError(Exception):
    """The text is valid YAML, but not laid out as DVC writes it."""


def _parts(text: str) -> tuple[str, str, str]:
    """Return the text before the stages, of the stages, and after them."""
    start = _STAGES.search(text)
    if start is None or not text.startswith("schema: '2.0'\n") or not text.endswith("\n"):
        raise _UnusualLayoutError
    after = _NEXT.search(text, start.end())
    end = after.start() if after else len(text)
    return text[: start.end()], text[start.end() : end], text[end:]


def _blocks(body: str) -> dict[str, str]:
    found = list(_NAME.finditer(body))
    if not found or found[0].start() > 0:
        raise _UnusualLayoutError
    ends = [match.start() for match in found[1:]] + [len(body)]
    blocks = {match[1]: body[match.start() : end] for match, end in zip(found, ends, strict=True)}
    if len(blocks) < len(found):
        raise PipelineError("A stage occurs twice.")
    return blocks


def _loaded(text: str) -> Mapping[str, Mapping[str, Any]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as cause:
        raise PipelineError(one_line(cause, most=200)) from cause
    stages = content.get("stages") if isinstance(content, dict) and content.get("schema") == "2.0" else None
    if not isinstance(stages, dict) or not all(
        isinstance(entry, dict) and _is_entry(entry) for entry in stages.values()
    ):
        raise PipelineError("It is not a lock file as DVC writes it (schema 2.0 with stages).")
    return stages


def _entry(name: str, block: str) -> Mapping[str, Any]:
    try:
        entry = parse_block(block)
    except PipelineError as cause:
        raise PipelineError(f"The entry of stage '{name}' cannot be read: {cause}.") from cause
    if not isinstance(entry, dict) or not _is_entry(entry):
        raise PipelineError(f"The entry of stage '{name}' is not as DVC writes it.")
    return entry


def _is_entry(entry: Mapping[str, Any]) -> bool:
    lists = [entry.get("deps") or [], entry.get("outs") or []]
    if not all(isinstance(each, list) for each in lists):
        return False
    files = [file for each in lists for file in each]
    return (
        isinstance(entry.get("cmd"), (str, list))
        and isinstance(entry.get("params") or {}, dict)
        and all(isinstance(file, dict) and isinstance(file.get("path"), str) for file in files)
    )
