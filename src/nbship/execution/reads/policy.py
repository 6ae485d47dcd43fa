"""What a stage may read, and the sentence for what it may not.

This module and `watch` import nothing else of nbship: they also run in kernels of other interpreters, and in the processes that a
notebook starts.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["ReadPolicy"]

_LIBRARIES = {"site-packages", "dist-packages", "node_modules"}
_METADATA = (".egg-info", ".dist-info")


@dataclass(frozen=True)
class ReadPolicy:
    """The files that a stage may read; paths are relative to the root.

    Attributes
    ----------
    root
        The project's folder, without links.
    declared
        Files and folders that the stage declares: its inputs, its notebook and its products.
    others
        Products of other stages -> the remedy if the stage reads them.
    caches
        Folders that stages may read without declaring them.
    """

    stage: str
    root: str
    declared: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    caches: tuple[str, ...] = ()

    def allows(self, path: str) -> bool:
        """Tell whether the stage may read a file, or all files of a folder.

        Hidden files and folders (`.git`, `.env`, `.venv`) and installed libraries are not inputs of a stage.
        """
        parts = path.split("/")
        if any(part[:1] == "." or part.endswith(_METADATA) for part in parts) or not _LIBRARIES.isdisjoint(parts):
            return True
        return any(above in self._declared for above in _with_folders(path))

    def problem(self, path: str) -> str:
        """Return the sentence for a file that the stage may not read."""
        remedies = (self.others[above] for above in _with_folders(path) if above in self.others)
        name = re.sub(r"\W+", "_", os.path.splitext(os.path.basename(path))[0])
        remedy = f"Add '{name}: {path}' to 'resources_' in the task's 'params' in pipeline.yaml."
        return f"Stage '{self.stage}' reads '{path}', which it does not declare. {next(remedies, remedy)}"

    def is_other(self, path: str) -> bool:
        """Tell whether another stage writes the file."""
        return any(above in self.others for above in _with_folders(path))

    @cached_property
    def _declared(self) -> set[str]:
        return {*self.declared, *self.caches, *_prefixes(self.root)}


def _with_folders(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _prefixes(root: str) -> Iterator[str]:
    """Yield the environments of this interpreter that are inside the project."""
    for folder in {sys.prefix, sys.base_prefix, sys.exec_prefix}:
        if (real := os.path.realpath(folder)).startswith(os.path.join(root, "")):
            yield os.path.relpath(real, root)
