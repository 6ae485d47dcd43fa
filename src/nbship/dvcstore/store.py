"""The books of a run: is a stage up to date, can it be restored, and what it made, as DVC keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StageError
from .cache import Objects
from .config import Repository
from .digests import Digests
from .hashing import Content, read_content
from .lock_entry import Entry, differences, make_entry, products, same_inputs, with_products
from .lock_writer import LockFile
from .locks import RepositoryLock
from .run_cache import Runs

__all__ = ["Books", "Declared"]

_LARGE = 1 << 20


@dataclass(frozen=True)
class Declared:
    """What `dvc.yaml` declares of a stage; paths are relative to the root.

    Attributes
    ----------
    command
        What DVC calls to run it.
    params
        File -> key -> value.
    kept
        Products that DVC's cache keeps.
    tracked
        Products that Git keeps: metrics and plots.
    always
        Whether it runs each time; the run cache has nothing of such a stage.
    """

    name: str
    command: str
    files: tuple[str, ...]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    tracked: tuple[str, ...] = ()
    always: bool = False

    @property
    def products(self) -> tuple[str, ...]:
        """All that it makes."""
        return (*self.kept, *self.tracked)


class Books:
    """What DVC keeps of a project's stages. Several threads may use it, each for its own stage.

    Parameters
    ----------
    order
        All stages, as in `dvc.yaml`.
    """

    def __init__(self, root: Path, repository: Repository, digests: Digests, *, order: Iterable[str]) -> None:
        self.lock = RepositoryLock(repository)
        self.objects = Objects(repository, digests)
        self._runs = Runs(repository)
        self._sources: set[str] = set()
        self._root = root
        self._digests = digests
        with self.lock():  # DVC writes the file in place
            self._file = LockFile(root / "dvc.lock", order=order)

    def inputs(self, stage: Declared) -> Entry:
        """Return what the stage is a function of, as it is now."""
        return make_entry(stage.command, stage.files, stage.params, root=self._root, digests=self._digests)

    def cached(self) -> Iterator[Path]:
        """Yield the files of the cache that hold products in `dvc.lock`, and data that DVC tracks; those that are there."""
        made = (md5 for name in self._file for md5 in products(self._file.get(name) or {}).values())
        for md5 in (*made, *self._sources):
            if self.objects.path(md5).exists():
                yield from self.objects.paths(md5)

    def expect(self, names: Iterable[str]) -> None:
        """Name the stages that will be recorded, all of them, so that they can be in order."""
        self._file.expect(names)

    def close(self) -> None:
        """Record what still waits for stages that were not run."""
        with self.lock():
            self._file.flush()

    def has(self, name: str) -> bool:
        """Tell whether a stage is recorded at all."""
        return self._file.get(name) is not None

    def is_current(self, stage: Declared, inputs: Entry) -> bool:
        """Tell whether the stage's products are those of its inputs; what its cache lacks is put there again."""
        recorded = self._file.get(stage.name)
        # Products are digested only where the inputs are the same.
        if recorded is None or not same_inputs(recorded, inputs):
            return False
        contents = self._contents(stage)
        if any(differences(recorded, inputs, {path: content.md5 for path, content in contents.items()})):
            return False
        self._heal(stage, recorded, with_products(inputs, contents))
        return True

    def restore(self, stage: Declared, inputs: Entry) -> bool:
        """Put products of an earlier run with these inputs in place; tell whether there were any, all intact."""
        for found in self._earlier(stage, inputs):
            made = products(found)
            if set(made) != set(stage.products):
                continue
            wanted = [path for path in made if not self._is_there(path, made[path])]
            with self.lock():
                if not all(self.objects.intact(made[path]) for path in wanted):
                    continue
                executable = {out["path"] for out in found["outs"] if out.get("isexec")}
                for path in wanted:
                    self.objects.link(
                        made[path],
                        self._root / path,
                        copy=path in stage.tracked,
                        executable=path in executable,
                    )
            self.record(stage, inputs)
            return True
        return False

    def record(self, stage: Declared, inputs: Entry) -> None:
        """Keep what the stage made: in the cache, in the run cache, in `dvc.lock`.

        Raises
        ------
        StageError
            If a product is not there.
        """
        contents = self._made(stage)
        missing = [path for path in stage.products if path not in contents]
        if missing:
            raise StageError(f"Stage '{stage.name}' has not made '{missing[0]}'. Run it again.")
        entry = with_products(inputs, contents)
        with self.lock():
            for path, content in contents.items():
                self.objects.add(self._root / path, content)
            if not stage.always:
                self._runs.save(entry)
            for path in stage.kept:
                self.objects.relink(self._root / path, contents[path])
            self._file.put(stage.name, entry)

    def keep(self, contents: Mapping[Path, Content]) -> None:
        """Put files into the cache that no stage made, where it lacks them."""
        self._sources |= {content.md5 for content in contents.values()}
        lacking = [path for path, content in contents.items() if not self.objects.intact(content.md5)]
        if lacking:
            with self.lock():
                for path in lacking:
                    self.objects.add(path, contents[path])

    def _heal(self, stage: Declared, recorded: Mapping[str, Any], entry: Entry) -> None:
        """Put what the cache has lost, and sizes that are not true, right again."""
        lost = [out for out in entry["outs"] if self._has_lost(out, kept=out["path"] in stage.kept)]
        if not lost and _sizes(recorded) == _sizes(entry):
            return
        with self.lock():
            for out in lost:
                path = self._root / out["path"]
                content = read_content(path, self._digests)
                if content is not None and content.md5 == out["md5"]:
                    self.objects.add(path, content)
            self._file.put(stage.name, entry)

    def _has_lost(self, out: Mapping[str, Any], *, kept: bool) -> bool:
        """Tell whether the cache lacks a product; of those that Git keeps, whether it has a damaged one."""
        return (kept or self.objects.path(out["md5"]).exists()) and not self.objects.intact(out["md5"])

    def _contents(self, stage: Declared) -> dict[str, Content]:
        """Return what the stage's products hold, those that are there."""
        found = ((path, read_content(self._root / path, self._digests)) for path in stage.products)
        return {path: content for path, content in found if content is not None}

    def _made(self, stage: Declared) -> dict[str, Content]:
        """Return what a stage has just made; what is large is put into the cache while it is read."""
        for path in (self._root / path for path in stage.kept):
            if path.is_file() and not path.is_symlink() and path.stat().st_size > _LARGE:
                self.objects.take(path)
        return self._contents(stage)

    def _is_there(self, path: str, md5: str) -> bool:
        content = read_content(self._root / path, self._digests)
        return content is not None and content.md5 == md5

    def _earlier(self, stage: Declared, inputs: Entry) -> Iterable[Mapping[str, Any]]:
        recorded = self._file.get(stage.name)
        if recorded is not None and same_inputs(recorded, inputs):
            yield recorded
        if not stage.always:
            yield from self._runs.find(inputs, stage.products)


def _sizes(entry: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    return [(each.get("size"), each.get("nfiles")) for kind in ("deps", "outs") for each in entry.get(kind) or ()]
