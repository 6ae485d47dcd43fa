"""`dvc.lock` by stages: read, changed and written in the time of a text file, as DVC writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from .lock_yaml import parse_block, render_block

__all__ = ["Lock", "parse_lock", "read_lock"]

_HEAD = "schema: '2.0'\nstages:\n"
_STAGES = re.compile(r"^stages:\n", re.MULTILINE)
_NEXT = re.compile(r"^(?! )", re.MULTILINE)
_NAME = re.compile(r"^  ([A-Za-z_][\w@.-]*):\n", re.MULTILINE)


class Lock(Mapping[str, Mapping[str, Any]]):
    """The stages' entries, as DVC has them, and the text that they stand in.

    Parameters
    ----------
    blocks
        The lines of each stage.
    head, tail
        What stands before and after them.
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
        """The file's text, byte for byte what DVC writes."""
        return "".join((self._head, *self._blocks.values(), self._tail))

    def with_stages(self, entries: Mapping[str, Mapping[str, Any]]) -> Lock:
        """Return the lock with entries put in: those that it has keep their place, new ones come last, as with DVC.

        >>> print(Lock().with_stages({"a": {"cmd": "nbship stage a"}}).text, end="")
        schema: '2.0'
        stages:
          a:
            cmd: nbship stage a
        """
        blocks = {name: render_block(name, entry) for name, entry in entries.items()}
        return Lock({**self._entries, **entries}, {**self._blocks, **blocks}, head=self._head, tail=self._tail)

    def without(self, *names: str) -> Lock:
        """Return the lock without some stages."""
        return Lock(
            {name: entry for name, entry in self._entries.items() if name not in names},
            {name: block for name, block in self._blocks.items() if name not in names},
            head=self._head,
            tail=self._tail,
        )


def read_lock(path: Path) -> Lock:
    """Read a `dvc.lock`; where there is none, an empty one.

    Raises
    ------
    PipelineError
        If the file is damaged.
    """
    try:
        return parse_lock(path.read_bytes().decode())
    except FileNotFoundError:
        return Lock()
    except (OSError, UnicodeDecodeError, PipelineError) as cause:
        raise PipelineError(
            f"'{path.name}' is damaged: {cause}. Restore it with `git checkout {path.name}`, "
            "or delete it: `nbship run` writes it again."
        ) from cause


@lru_cache(maxsize=2)
def parse_lock(text: str) -> Lock:
    """Read the text of a `dvc.lock`.

    Raises
    ------
    PipelineError
        If it is none.
    """
    if not text.strip():
        return Lock()
    try:
        head, body, tail = _parts(text)
        blocks = _blocks(body)
    except _OddError:
        return Lock().with_stages(_loaded(text))
    entries = {name: _entry(name, block) for name, block in blocks.items()}
    return Lock(entries, blocks, head=head, tail=tail)


class _OddError(Exception):
    """The text is laid out in another way than DVC's."""


def _parts(text: str) -> tuple[str, str, str]:
    """Return what stands before the stages, their lines, and what stands after them."""
    start = _STAGES.search(text)
    if start is None or not text.startswith("schema: '2.0'\n") or not text.endswith("\n"):
        raise _OddError
    after = _NEXT.search(text, start.end())
    end = after.start() if after else len(text)
    return text[: start.end()], text[start.end() : end], text[end:]


def _blocks(body: str) -> dict[str, str]:
    found = list(_NAME.finditer(body))
    if not found or found[0].start() > 0:
        raise _OddError
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
    except (YAMLError, ValueError) as cause:
        raise PipelineError(" ".join(str(cause).split())[:200]) from cause
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
