"""The versions and aliases of models, as the tags of a repository tell them.

The tags of an alias are ordered by their numbers, which grow, and not by their times, which come from many clocks. For
example, with these tags `production` leads to v1.0.0, and a second rollback finds no earlier version::

    late#production#1   promote    v1.0.0
    late#production#2   promote    v1.1.0
    late#production#3   rollback   v1.0.0
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import RegistryError
from ..text import did_you_mean, listed
from .git import GitTag
from .records import GateReport, PackageRecord, Record, read_record
from .tag_names import SemVer, TagName, parse_tag, parse_version

__all__ = ["PRODUCTION", "Assignment", "Event", "History", "Version", "read_histories"]

PRODUCTION = "production"
_NEVER = SemVer(-1, 0, 0, ())


@dataclass(frozen=True)
class Event:
    """A tag of the registry.

    Attributes
    ----------
    who, email, time
        The author of the tag, and when it was created.
    record
        The record in its message; None if another program, such as GTO, wrote it.
    message
        The whole message.
    """

    tag: str
    name: TagName
    commit: str
    who: str
    email: str
    time: datetime
    record: Record | None
    message: str

    @property
    def why(self) -> str:
        """The reason; of a tag of another program, its message."""
        return self.record.why if self.record else self.message.strip()


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes
    ----------
    name
        Such as `v1.2.0`; of an alias that leads to a commit without a version, the commit.
    registered
        The tag that registered it.
    archived
        The tag that archived it.
    """

    model: str
    name: str
    registered: Event
    archived: Event | None = None

    def __str__(self) -> str:
        return f"{self.model}@{self.name}"

    @property
    def commit(self) -> str:
        """The commit whose `dvc.lock` records the package."""
        return self.registered.commit

    @property
    def package(self) -> PackageRecord | None:
        """The package, as recorded; None if another program registered the version."""
        return self.registered.record.package if self.registered.record else None

    @property
    def gate(self) -> GateReport | None:
        """What the gate decided; None if another program registered the version."""
        return self.registered.record.gate if self.registered.record else None

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metric -> value on held-out rows."""
        return self.registered.record.metrics if self.registered.record else {}

    @property
    def order(self) -> SemVer:
        """The parts of the version; commits come before every version."""
        return parse_version(self.name) or _NEVER


@dataclass(frozen=True)
class Assignment:
    """A tag that lets an alias lead to a version, or to none."""

    alias: str
    version: Version | None
    event: Event

    @property
    def is_rollback(self) -> bool:
        """Whether the alias went back to a version that it led to before."""
        return self.event.record is not None and self.event.record.action == "rollback"


@dataclass(frozen=True)
class History:
    """A model in the registry.

    Attributes
    ----------
    versions
        From the lowest version to the highest.
    assignments
        Alias -> its assignments, the first one first.
    numbers
        The largest number of the model's tags.
    """

    model: str
    versions: Sequence[Version] = ()
    assignments: Mapping[str, Sequence[Assignment]] = ()  # type: ignore[assignment]
    numbers: int = 0

    def version(self, name: str) -> Version:
        """Return a version by its name, with or without the `v`, or by the first hex digits of its package's digest.

        Raises
        ------
        RegistryError
            If there is none, or several packages have a digest that starts with these digits.
        """
        found = [each for each in self.versions if each.name in (name, f"v{name}")]
        if not found and len(name) >= 6:
            found = [each for each in self.versions if each.package and each.package.digest.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise RegistryError(
                f"The digests of {listed(found, quoted=True)} start with '{name}'. Name the version, such as '{found[0]}'."
            )
        known = [each.name for each in self.versions]
        otherwise = f"It has {listed(known[::-1], most=5)}." if known else "Register one: `nbship models register`."
        raise RegistryError(f"'{self.model}' has no version '{name}'. {did_you_mean(name, known, otherwise=otherwise)}")

    def current(self, alias: str) -> Version | None:
        """Return the version that an alias leads to now."""
        made = self.assignments.get(alias)
        return made[-1].version if made else None

    def at(self, alias: str, time: datetime) -> Assignment | None:
        """Return the last assignment of an alias at a time; None before the first one."""
        made = [each for each in self.assignments.get(alias, ()) if each.event.time <= time]
        return made[-1] if made else None

    def aliases(self, version: Version) -> list[str]:
        """Return the aliases that lead to a version."""
        return [alias for alias in self.assignments if (found := self.current(alias)) and found.name == version.name]

    def earlier(self, alias: str) -> list[Version]:
        """Return the versions that a rollback of an alias may go back to, the latest first.

        A promotion adds a version, and a rollback removes those that it left: `v1 v2 v3`, back to `v2`, leaves `v1 v2`.
        """
        stack: list[Version] = []
        for each in self.assignments.get(alias, ()):
            if each.version is None:
                continue
            names = [version.name for version in stack]
            if each.is_rollback and each.version.name in names:
                del stack[names.index(each.version.name) + 1 :]
            else:
                stack.append(each.version)
        current = self.current(alias)
        left = stack[:-1] if current and stack and stack[-1].name == current.name else stack
        return [version for version in reversed(left) if current is None or version.name != current.name]

    def last(self) -> Event | None:
        """Return the latest tag of the model, by its time."""
        events = [each.registered for each in self.versions] + [
            each.archived for each in self.versions if each.archived
        ]
        events += [each.event for made in self.assignments.values() for each in made]
        return max(events, key=lambda event: event.time, default=None)


def read_histories(tags: Iterable[GitTag], *, folder: str) -> dict[str, History]:
    """Return the models of a project, by name.

    Parameters
    ----------
    folder
        The project's folder in the repository; tags of other projects are skipped.
    """
    events = defaultdict[str, list[Event]](list)
    for tag in tags:
        name = parse_tag(tag.name)
        if name is not None and name.folder == folder:
            record = read_record(tag.message)
            event = Event(tag.name, name, tag.commit, tag.who, tag.email, tag.time, record, tag.message)
            events[name.model].append(event)
    return {model: _history(model, found) for model, found in sorted(events.items())}


def _history(model: str, events: list[Event]) -> History:
    events = sorted(events, key=lambda event: (event.name.number, event.time))
    versions: dict[str, Version] = {}
    for event in events:
        if event.name.action == "register" and event.name.version:
            versions[event.name.version] = Version(model, event.name.version, event)
    for event in events:
        for version in _archived_by(event, versions.values()):
            versions[version.name] = replace(version, archived=event)
    at = {version.commit: version for version in versions.values()}
    assignments = defaultdict[str, list[Assignment]](list)
    for event in events:
        if event.name.alias:
            # As GTO has it, the tagged commit says which version is meant; the record only explains.
            found = at.get(event.commit) or Version(model, event.commit[:12], event)
            made = None if event.name.action == "unassign" else found
            assignments[event.name.alias].append(Assignment(event.name.alias, made, event))
    ordered = sorted(versions.values(), key=lambda version: version.order)
    return History(model, ordered, dict(assignments), max((event.name.number for event in events), default=0))


def _archived_by(event: Event, versions: Iterable[Version]) -> list[Version]:
    if event.name.action == "archive":
        return [each for each in versions if each.name == event.name.version and each.registered.time <= event.time]
    if event.name.action == "deprecate":
        return [each for each in versions if each.registered.time <= event.time]
    return []
