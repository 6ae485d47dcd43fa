"""Create a tag, so that it is in the remote and here, or nowhere.

The tag object comes first, without a name, which nothing shows. Then a push gives it its name in the remote, which takes
each name once, and then it gets its name here. A process that is killed leaves no tag, or one that the next fetch brings::

    git mktag                                             4f2a…, an object without a name
    git push origin 4f2a…:refs/tags/late#production#3     now it exists, or another has the name
    git update-ref refs/tags/late#production#3 4f2a…
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..errors import RegistryError
from ..text import counted, one_line, plural
from .git import Git, GitTag
from .records import Record, render_message
from .tag_names import TagName

__all__ = ["NameTakenError", "Published", "fetch_tags", "publish"]

_CLOBBERED = re.compile(r"\] +(\S+) +-> \S+ +\(would clobber")
_MOST_AHEAD = timedelta(minutes=10)


class NameTakenError(RegistryError):
    """Another person created the tag first."""

    def __init__(self, message: str, *, tag: GitTag | None) -> None:
        self.tag = tag
        super().__init__(message)


@dataclass(frozen=True)
class Published:
    """A new tag.

    Attributes
    ----------
    remote
        Where it was pushed to; empty if it is only here.
    notes
        Sentences about it for the user.
    """

    name: str
    record: Record
    commit: str
    time: datetime
    remote: str = ""
    notes: tuple[str, ...] = ()


def fetch_tags(git: Git, remote: str, *, models: tuple[str, ...]) -> None:
    """Fetch the tags of models from the remote.

    Raises
    ------
    RegistryError
        If the remote cannot be reached, or has other tags of the same names.
    """
    done = git.attempt("fetch", "--no-tags", remote, *_all_of(git, models), network=True)
    if done.returncode:
        said = done.stderr.decode("utf-8", errors="replace")
        if "would clobber existing tag" in said:
            match = _CLOBBERED.search(said)
            name = match[1] if match else "one"
            raise RegistryError(
                f"The tag '{name}' is another one here than in '{remote}'. If yours was never pushed, delete it with `git tag -d '{name}'`, and try again."
            )
        raise RegistryError(
            f"The registry in '{remote}' cannot be read: {_end(said)}. Check the connection, or use --no-push to record it in this clone only."
        )


def _all_of(git: Git, models: tuple[str, ...]) -> list[str]:
    """Return the refspecs of all tags of models."""
    starts = [f"{git.folder}={model}" if git.folder else model for model in models]
    return [f"refs/tags/{start}{mark}*:refs/tags/{start}{mark}*" for start in starts for mark in "@#"]


def publish(
    git: Git, name: TagName, *, commit: str, sentence: str, record: Record, who: tuple[str, str], remote: str, after: datetime | None
) -> Published:  # fmt: skip
    """Create a tag here and in the remote.

    Parameters
    ----------
    sentence
        The first line of its message.
    who
        Name and e-mail address.
    remote
        Empty to create it here alone.
    after
        The time of the model's last tag; the new one is later, whatever the clocks, since GTO orders tags by time.

    Raises
    ------
    NameTakenError
        If there is a tag of this name already.
    RegistryError
        If the remote does not accept it. Then nothing has changed.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    time = now if after is None or after < now else after + timedelta(seconds=1)
    tagger = f"{who[0]} <{who[1]}> {int(time.timestamp())} +0000"
    text = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{render_message(sentence, record)}"
    tag, reference = git.run("mktag", given=text), f"refs/tags/{name}"
    notes = _push(git, tag, reference, remote, model=record.model) if remote else ()
    # An empty old value means that the tag must not exist.
    done = git.attempt("update-ref", reference, tag, "")
    if done.returncode and git.attempt("rev-parse", "--verify", "--quiet", reference).stdout.decode().strip() != tag:
        raise _taken(git, str(name), "this clone")
    if time - now > _MOST_AHEAD:
        notes += (f"The last tag of '{record.model}' is dated {after:%Y-%m-%d %H:%M} UTC, in the future: a clock is wrong. This one is dated after it.",)  # fmt: skip
    return Published(str(name), record, commit, time, remote, notes)


def _push(git: Git, tag: str, reference: str, remote: str, *, model: str) -> tuple[str, ...]:
    """Push a tag, and those of the model that were recorded here only; return a sentence about these."""
    # A promotion without the tag of its version would be a riddle to others.
    done = git.attempt("push", "--porcelain", remote, f"{tag}:{reference}", *_all_of(git, (model,)), network=True)
    if not done.returncode:
        new = [line for line in done.stdout.decode().splitlines() if line.startswith("*")]
        return (f"{counted(len(new) - 1, 'earlier tag')} that had not been pushed {plural(len(new) - 1, 'was', 'were')} pushed too.",) if len(new) > 1 else ()  # fmt: skip
    said = done.stderr.decode("utf-8", errors="replace")
    listed = git.attempt("ls-remote", remote, reference, network=True)
    found = listed.stdout.decode().split("\t")[0] if not listed.returncode else ""
    if found == tag:
        return ()  # the connection broke after the remote had taken it
    name = reference.removeprefix("refs/tags/")
    if found:
        git.attempt("fetch", "--quiet", "--no-tags", remote, f"{reference}:{reference}", network=True)
        raise _taken(git, name, f"'{remote}'")
    raise RegistryError(
        f"'{remote}' did not accept the tag '{name}': {_end(said)}. Nothing has changed. Ask for the right to push tags, or use --no-push to record it in this clone only."
    )


def _taken(git: Git, name: str, where: str) -> NameTakenError:
    tag = next((tag for tag in git.tags() if tag.name == name), None)
    by = f"{tag.who} created it" if tag else "another person created it"
    return NameTakenError(f"The tag '{name}' is in {where} already: {by} first. Nothing has changed.", tag=tag)


def _end(said: str) -> str:
    """Return the line of Git's message that says why: that of the remote, or else the first error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for start in ("remote: error:", "remote:", "fatal:", "error:", "!"):
        for line in lines:
            if line.startswith(start) and line.removeprefix(start).strip():
                return one_line(line.removeprefix(start).strip().rstrip("."))
    return one_line(lines[0].rstrip(".")) if lines else "no message"
