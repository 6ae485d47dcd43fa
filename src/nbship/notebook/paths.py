"""Named paths, relative to the notebook's folder; an unknown name is an error with a suggestion."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import StageError
from ..text import did_you_mean, listed

__all__ = ["Paths", "relative", "remove_links"]

Item = TypeVar("Item")


class Paths(Mapping[str, Item], Generic[Item]):
    """A mapping that suggests a key for an unknown one, and a remedy for a missing file.

    Parameters
    ----------
    items
        Paths, or mappings of paths.
    kind
        What the keys name, for error messages.
    remedy
        What to do if a path that is looked up does not exist; empty: paths are not checked.
    create_folders
        Create the folder of a path when it is looked up.

    Examples
    --------
    >>> paths = Paths({"data": Path("data.parquet")}, kind="product")
    >>> paths["data"].name
    'data.parquet'
    >>> paths["dat"]
    Traceback (most recent call last):
    nbship.errors.StageError: There is no product 'dat'. Did you mean 'data'?
    """

    def __init__(self, items: Mapping[str, Item], *, kind: str, remedy: str = "", create_folders: bool = False) -> None:
        self._items = dict(items)
        self._kind = kind
        self._remedy = remedy
        self._create_folders = create_folders

    @classmethod
    def read(cls, given: object, *, kind: str, create_folders: bool = False, root: Path | None = None) -> Paths[Path]:
        """Read a value of the parameters cell: a mapping of strings, one string (key `"nb"`), or None.

        Absolute paths outside `root` are not changed.
        """
        if given is None:
            given = {}
        if isinstance(given, (str, os.PathLike)):
            given = {"nb": given}
        if not isinstance(given, Mapping):
            raise StageError(
                f"The {kind} in the parameters cell is a {type(given).__name__}. Leave it to nbship: write `None` there."
            )
        return Paths(
            {key: relative(Path(path), root=root) for key, path in given.items()},
            kind=kind,
            create_folders=create_folders,
        )

    def __getitem__(self, key: str) -> Item:
        if key not in self._items:
            raise StageError(f"There is no {self._kind} '{key}'. {self._hint(key)}")
        item = self._items[key]
        if isinstance(item, Path):
            if self._create_folders:
                item.parent.mkdir(parents=True, exist_ok=True)
            if self._remedy and not item.exists():
                raise StageError(f"The {self._kind} '{item}' is not there. {self._remedy}")
        return item

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __repr__(self) -> str:
        return repr({key: str(item) if isinstance(item, Path) else item for key, item in self._items.items()})

    def _hint(self, key: str) -> str:
        known = f"Known: {listed(self._items, quoted=True)}. " if self._items else ""
        return did_you_mean(str(key), self._items, otherwise=f"{known}Add it to pipeline.yaml.")


def relative(path: Path, *, root: Path | None = None) -> Path:
    """Return the path relative to the working directory, so that notebooks print the same in every folder.

    An absolute path outside `root`, the project's folder, is the same in every folder as it is.
    """
    if root is not None and path.is_absolute() and not path.is_relative_to(root):
        return path
    return Path(os.path.relpath(path))


def remove_links(paths: Iterable[Path]) -> None:
    """Remove files that are links into a cache, so that writing in place does not corrupt the cache."""
    for path in paths:
        files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
        for file in list(files):
            if file.is_symlink() or (file.is_file() and file.stat().st_nlink > 1):
                file.unlink()
