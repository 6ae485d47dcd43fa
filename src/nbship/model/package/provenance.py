"""Where a package comes from, by content: no clock time and no commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Provenance"]


@dataclass(frozen=True)
class Provenance:
    """Digests (sha256) of all that a model was made from.

    Attributes
    ----------
    data, notebooks, modules
        Path relative to the project's root -> digest; of a notebook, that of its copy without outputs.
    params
        Stage -> parameter -> value.
    lock
        Digest of the lock file, or None.
    libraries
        Distribution -> version of what the model runs on; filled in when the package is built.

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
        """Return what `provenance.json` holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Provenance:
        """Read what `to_json` returned; unknown keys of later versions are left out."""
        known = {name: content[name] for name in cls.__dataclass_fields__ if name in content}
        return cls(**known)
