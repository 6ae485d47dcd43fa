"""The DVC store of a run: tell which stages are up to date, restore products, record new ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StageError
from .cache import Cache
from .config import Repository
from .digests import Digests
from .hashing import Content, read_content
from .lock_entry import Entry, find_differences, make_entry, product_digests, same_inputs, with_products
from .lock_file import read_lock
from .lock_writer import LockWriter
from .locks import RepositoryLock
from .run_cache import RunCache

__all__ = ["DeclaredStage", "DvcStore", "put_back"]

_LARGE = 1 << 20


@dataclass(frozen=True)
class DeclaredStage:
    """A stage as declared in `dvc.yaml`; paths are relative to the root.

    Attributes
    ----------
    command
        The command in `dvc.yaml`.
    params
        File -> key -> value.
    cached
        Products in DVC's cache.
    tracked
        Products in Git: metrics and plots.
    always_runs
        Whether it runs each time; such a stage is not in the run cache.
    """

    name: str
    command: str
    files: tuple[str, ...]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    tracked: tuple[str, ...] = ()
    always_runs: bool = False

    @property
    def products(self) -> tuple[str, ...]:
        """All products of the stage."""
        return (*self.cached, *self.tracked)


class DvcStore:
    """The lock file, cache and run cache of a project's stages. Threads may share it, each for its own stage.

    Parameters
    ----------
    order
        All stages, in the order of `dvc.yaml`.
    """

    def __init__(self, root: Path, repository: Repository, digests: Digests, *, order: Iterable[str]) -> None:
        self.lock = RepositoryLock(repository)
        self.cache = Cache(repository, digests)
        self._run_cache = RunCache(repository)
        self._sources: set[str] = set()
        self._root = root
        self._digests = digests
        with self.lock():  # DVC writes the file in place
            self._lock_writer = LockWriter(root / "dvc.lock", order=order)

    def inputs(self, stage: DeclaredStage) -> Entry:
        """Return the stage's entry for its current inputs, without products."""
        return make_entry(stage.command, stage.files, stage.params, root=self._root, digests=self._digests)

    def cached_files(self) -> Iterator[Path]:
        """Yield the existing cache files of the products in `dvc.lock` and of the data that DVC tracks."""
        products = (
            md5 for name in self._lock_writer for md5 in product_digests(self._lock_writer.get(name) or {}).values()
        )
        for md5 in (*products, *self._sources):
            if self.cache.path(md5).exists():
                yield from (path for path, _ in self.cache.files(md5))

    def expect(self, names: Iterable[str]) -> None:
        """Set all stages that will be recorded, so that new entries are written in order."""
        self._lock_writer.expect(names)

    def has(self, name: str) -> bool:
        """Tell whether a stage is recorded."""
        return self._lock_writer.get(name) is not None

    def is_current(self, stage: DeclaredStage, inputs: Entry) -> bool:
        """Tell whether the stage's products match its inputs; products that the cache lacks are added again."""
        recorded = self._lock_writer.get(stage.name)
        # Products are digested only if the inputs are the same.
        if recorded is None or not same_inputs(recorded, inputs):
            return False
        contents = self._contents(stage)
        if any(find_differences(recorded, inputs, {path: content.md5 for path, content in contents.items()})):
            return False
        self._repair(stage, recorded, with_products(inputs, contents))
        return True

    def restore(self, stage: DeclaredStage, inputs: Entry) -> bool:
        """Restore the products of an earlier run with these inputs; tell whether there was one, with all products intact."""
        for found in self._earlier_entries(stage, inputs):
            digests = product_digests(found)
            if set(digests) != set(stage.products):
                continue
            wanted = [path for path in digests if not self._is_in_place(path, digests[path])]
            with self.lock():
                if not all(self.cache.is_intact(digests[path]) for path in wanted):
                    continue
                executable = {out["path"] for out in found["outs"] if out.get("isexec")}
                for path in wanted:
                    self.cache.link(
                        digests[path],
                        self._root / path,
                        copy=path in stage.tracked,
                        executable=path in executable,
                    )
            self.record(stage, inputs)
            return True
        return False

    def record(self, stage: DeclaredStage, inputs: Entry) -> None:
        """Record the stage's products in the cache, the run cache and `dvc.lock`.

        Raises
        ------
        StageError
            If a product is missing.
        """
        contents = self._new_contents(stage)
        missing = [path for path in stage.products if path not in contents]
        if missing:
            raise StageError(f"Stage '{stage.name}' did not write '{missing[0]}'. Run it again.")
        entry = with_products(inputs, contents)
        with self.lock():
            for path, content in contents.items():
                self.cache.add(self._root / path, content)
            if not stage.always_runs:
                self._run_cache.save(entry)
            for path in stage.cached:
                self.cache.relink(self._root / path, contents[path])
            self._lock_writer.put(stage.name, entry)

    def add_to_cache(self, contents: Mapping[Path, Content]) -> None:
        """Add tracked data to the cache, if it lacks them."""
        self._sources |= {content.md5 for content in contents.values()}
        absent = [path for path, content in contents.items() if not self.cache.is_intact(content.md5)]
        if absent:
            with self.lock():
                for path in absent:
                    self.cache.add(path, contents[path])

    def _repair(self, stage: DeclaredStage, recorded: Mapping[str, Any], entry: Entry) -> None:
        """Add products that the cache has lost, and correct wrong sizes in the lock file."""
        lost = [out for out in entry["outs"] if self._is_lost(out, cached=out["path"] in stage.cached)]
        if not lost and _sizes(recorded) == _sizes(entry):
            return
        with self.lock():
            for out in lost:
                path = self._root / out["path"]
                content = read_content(path, self._digests)
                if content is not None and content.md5 == out["md5"]:
                    self.cache.add(path, content)
            self._lock_writer.put(stage.name, entry)

    def _is_lost(self, out: Mapping[str, Any], *, cached: bool) -> bool:
        """Tell whether the cache lacks a cached product, or has a damaged copy of a product in Git."""
        return (cached or self.cache.path(out["md5"]).exists()) and not self.cache.is_intact(out["md5"])

    def _contents(self, stage: DeclaredStage) -> dict[str, Content]:
        """Return the contents of the stage's existing products."""
        found = ((path, read_content(self._root / path, self._digests)) for path in stage.products)
        return {path: content for path, content in found if content is not None}

    def _new_contents(self, stage: DeclaredStage) -> dict[str, Content]:
        """Return the contents of new products; large files are added to the cache in the same pass."""
        for path in (self._root / path for path in stage.cached):
            if path.is_file() and not path.is_symlink() and path.stat().st_size > _LARGE:
                self.cache.add_new(path)
        return self._contents(stage)

    def _is_in_place(self, path: str, md5: str) -> bool:
        content = read_content(self._root / path, self._digests)
        return content is not None and content.md5 == md5

    def _earlier_entries(self, stage: DeclaredStage, inputs: Entry) -> Iterable[Mapping[str, Any]]:
        recorded = self._lock_writer.get(stage.name)
        if recorded is not None and same_inputs(recorded, inputs):
            yield recorded
        if not stage.always_runs:
            yield from self._run_cache.find(inputs, stage.products)


def put_back(root: Path, repository: Repository, digests: Digests, *, stage: str) -> Sequence[str]:
    """Copy the products that `dvc.lock` records for a stage from the cache; return their paths, or none if any is lost."""
    outs = (read_lock(root / "dvc.lock").get(stage) or {}).get("outs") or ()
    cache = Cache(repository, digests)
    if not all(cache.is_intact(out["md5"]) for out in outs):
        return ()
    for out in outs:
        cache.link(out["md5"], root / out["path"], copy=True, executable=bool(out.get("isexec")))
    return [out["path"] for out in outs]


def _sizes(entry: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    return [(each.get("size"), each.get("nfiles")) for kind in ("deps", "outs") for each in entry.get(kind) or ()]
