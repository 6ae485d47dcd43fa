"""What a package was built from, by content: no clock time and no commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

__all__ = ["Provenance"]


@dataclass(frozen=True)
class Provenance:
    """Digests (sha256) of the data, notebooks and modules that a model was built from.

    Attributes
    ----------
    data, notebooks, modules
        Path relative to the project's root -> digest. The digest of a notebook is that of its copy without outputs.
    params
        Stage -> parameter -> value.
    lock
        Digest of the lock file, or None.
    libraries
        Distribution -> version of the libraries that the model needs; filled in when the package is built.

    Examples
    --------
    >>> Provenance.from_json({"data": {"data/x.csv": "ab"}}).data
    {'data/x.csv': 'ab'}
    """

    data: Mapping[str, str] = field(default_factory=dict)
    notebooks: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lock: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `provenance.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Provenance:
        """Read the content of `provenance.json`; keys of later versions are ignored.

        Raises
        ------
        ValueError
            If a value is of another type.
        """
        return msgspec.convert(content, cls)
