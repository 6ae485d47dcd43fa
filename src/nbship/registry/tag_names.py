"""Names of tags in the format of GTO 1, which DVC reads too (`gto/constants.py`, `gto/tag.py`).

::

    late@v1.2.0              version v1.2.0 of the model is registered
    late@v1.2.0!             and archived
    late#production#7        the alias leads to the version at the tagged commit, until a tag with a larger number
    late#production!#8       the alias leads to no version
    late@deprecated#9        the model is deprecated: every version so far is archived
    teams/risk=late@v1.0.0   the project is in the folder teams/risk of the repository

nbship writes the first three, and reads all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ..errors import RegistryError

__all__ = ["Action", "SemVer", "TagName", "check_name", "parse_tag", "parse_version"]

Action = Literal["register", "archive", "assign", "unassign", "deprecate"]

_WORD = r"[a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?"
_NUMBER = r"(?:0|[1-9]\d*)"
_SEMVER = (
    rf"(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER})"
    rf"(?:-(?P<prerelease>(?:{_NUMBER}|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:{_NUMBER}|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_VERSION = re.compile(rf"v{_SEMVER}")
_TAG = re.compile(
    rf"(?:(?P<folder>[a-zA-Z0-9-_./]+)=)?(?P<model>{_WORD})"
    rf"(?:(?:\#(?P<alias>{_WORD})|@(?P<version>v{_SEMVER}))(?P<cancel>!?)|@(?P<deprecated>deprecated))"
    r"(?:\#(?P<number>[0-9]+))?"
)
_FOLDER = re.compile(r"[a-zA-Z0-9-_./]*")
_ACTIONS: dict[tuple[bool, bool], Action] = {
    (True, False): "assign",
    (True, True): "unassign",
    (False, False): "register",
    (False, True): "archive",
}


@dataclass(frozen=True)
class TagName:
    """The parts of a tag's name.

    Attributes
    ----------
    folder
        The project's folder in the repository; empty for the top.
    number
        The number that counts the tags of the model; 0 without one.
    """

    action: Action
    model: str
    folder: str = ""
    version: str | None = None
    alias: str | None = None
    number: int = 0

    def __str__(self) -> str:
        model = f"{self.folder}={self.model}" if self.folder else self.model
        about = f"#{self.alias}" if self.alias else f"@{self.version or 'deprecated'}"
        cancel = "!" if self.action in ("archive", "unassign") else ""
        return f"{model}{about}{cancel}{f'#{self.number}' if self.number else ''}"


def parse_tag(name: str) -> TagName | None:
    """Return the parts of a tag's name; None if it is not one of the registry.

    >>> parse_tag("late#production#7")
    TagName(action='assign', model='late', folder='', version=None, alias='production', number=7)
    >>> str(parse_tag("teams/risk=late@v1.0.0!")), parse_tag("v1.0.0")
    ('teams/risk=late@v1.0.0!', None)
    """
    match = _TAG.fullmatch(name)
    if match is None:
        return None
    action: Action = "deprecate" if match["deprecated"] else _ACTIONS[bool(match["alias"]), bool(match["cancel"])]
    number = int(match["number"] or 0)
    return TagName(action, match["model"], match["folder"] or "", match["version"], match["alias"], number)


def check_name(name: str, *, what: str = "model", folder: str = "") -> None:
    """Check that GTO accepts a name.

    Parameters
    ----------
    what
        "model" or "alias".

    Raises
    ------
    RegistryError
        If it does not, or not the project's folder in the repository.
    """
    if not re.fullmatch(_WORD, name):
        raise RegistryError(
            f"'{name}' cannot be the name of {'an alias' if what == 'alias' else 'a model'} in the registry. Use letters, digits, '-', '_' and '/'."
        )
    if not _FOLDER.fullmatch(folder):
        raise RegistryError(
            f"The project's folder '{folder}' cannot be a part of a tag. Rename it: letters, digits, '-', '_' and '.' are allowed."
        )


@dataclass(frozen=True, order=True)
class SemVer:
    """A semantic version, ordered as semver.org has it: a prerelease comes before its version.

    >>> parse_version("v1.2.0-rc.1") < parse_version("v1.2.0") < parse_version("v1.10.0")
    True
    """

    major: int
    minor: int
    patch: int
    prerelease: tuple[tuple[bool, int, str], ...]

    @property
    def next_minor(self) -> str:
        """The next minor version.

        >>> parse_version("v1.2.3").next_minor
        'v1.3.0'
        """
        return f"v{self.major}.{self.minor + 1}.0"


# Larger than every part of a prerelease, so that 1.0.0 comes after 1.0.0-rc.
_RELEASE = ((True, 0, "\x7f"),)


def parse_version(version: str) -> SemVer | None:
    """Return the parts of a version such as `v1.2.3`; None if it is not one."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return None
    parts = (match["prerelease"] or "").split(".")
    # Numbers come before words: 1.0.0-2 < 1.0.0-10 < 1.0.0-rc.
    ranks = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return SemVer(
        int(match["major"]), int(match["minor"]), int(match["patch"]), ranks if match["prerelease"] else _RELEASE
    )
