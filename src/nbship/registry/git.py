"""Git, through its own command: a repository, its tags and its remote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import RegistryError
from ..text import listed, one_line

__all__ = ["Git", "GitTag", "find_git"]

_SECONDS, _NETWORK_SECONDS = 60, 300
_FIELDS = (
    "refname:strip=2",
    "objecttype",
    "*objectname",
    "taggername",
    "taggeremail:trim",
    "taggerdate:unix",
    "contents",
)
_FORMAT = "".join(f"%({field})%00" for field in _FIELDS)


@dataclass(frozen=True)
class GitTag:
    """An annotated tag.

    Attributes
    ----------
    time
        When it was created, by the clock of its author.
    """

    name: str
    commit: str
    who: str
    email: str
    time: datetime
    message: str


@dataclass(frozen=True)
class Git:
    """A repository.

    Attributes
    ----------
    top
        The top folder of the work tree.
    folder
        The project's folder below it, with slashes; empty for the top.
    """

    top: Path
    folder: str

    def path(self, inner: str) -> str:
        """Return the path in the repository of a file of the project."""
        return f"{self.folder}/{inner}" if self.folder else inner

    def run(self, *words: str, given: str | None = None, network: bool = False) -> str:
        """Run Git, and return its output without the last line break.

        Raises
        ------
        RegistryError
            If it fails, with the end of its message.
        """
        done = self.attempt(*words, given=given, network=network)
        if done.returncode:
            raise RegistryError(f"`git {words[0]}` failed: {_reason(done)}. Correct that, and try again.")
        return done.stdout.decode("utf-8", errors="replace").rstrip("\n")

    def attempt(
        self, *words: str, given: str | None = None, network: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        """Run Git, and return the ended process, whether it succeeded or not."""
        environ = {**os.environ, "LC_ALL": "C"}
        if network and not sys.stdin.isatty():
            environ["GIT_TERMINAL_PROMPT"] = "0"  # a question that no person sees would never end
        seconds = _NETWORK_SECONDS if network else _SECONDS
        try:
            return subprocess.run(
                ["git", *words], cwd=self.top, input=None if given is None else given.encode(), stdin=None if given is not None else subprocess.DEVNULL,
                capture_output=True, check=False, env=environ, timeout=seconds,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise RegistryError(
                f"`git {words[0]}` has not ended within {seconds} seconds, and was stopped. Check the connection, and try again."
            ) from error

    def commit_of(self, name: str) -> str:
        """Return the commit that a name stands for.

        Raises
        ------
        RegistryError
            If there is none.
        """
        done = self.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if done.returncode:
            if name == "HEAD":
                raise RegistryError("The repository has no commit yet. Commit the project, and try again.")
            hint = "This is a shallow clone: `git fetch --unshallow` fetches all commits." if self.is_shallow else "Name a commit, branch or tag."  # fmt: skip
            raise RegistryError(f"There is no commit '{name}'. {hint}")
        return done.stdout.decode().strip()

    def file(self, commit: str, inner: str) -> bytes | None:
        """Return the content of a file of the project at a commit; None if the commit does not have it."""
        done = self.attempt("cat-file", "blob", f"{commit}:{self.path(inner)}")
        return None if done.returncode else done.stdout

    def files(self, commit: str, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the files of the project that a commit has, of these, with their contents."""
        wanted = list(paths)
        asked = "".join(f"{commit}:{self.path(path)}\n" for path in wanted)
        data, start = self.attempt("cat-file", "--batch", given=asked).stdout, 0
        for path in wanted:
            # Either "<id> blob <size>", the content and a line break, or "<name> missing".
            end = data.index(b"\n", start)
            words = data[start:end].split(b" ")
            start = end + 1
            if words[-1] != b"missing":
                size = int(words[-1])
                if words[-2] == b"blob":
                    yield path, data[start : start + size]
                start += size + 1

    @property
    def is_shallow(self) -> bool:
        """Whether the clone lacks older commits."""
        return self.attempt("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def identity(self) -> tuple[str, str]:
        """Return name and e-mail address of the user.

        Raises
        ------
        RegistryError
            If Git does not know them; its guess from the names of user and host is not taken.
        """
        done = self.attempt("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
        name, _, rest = done.stdout.decode("utf-8", errors="replace").partition(" <")
        email = rest.partition(">")[0]
        if done.returncode or not name or not email:
            raise RegistryError(
                "Git does not know your name and e-mail address, which the registry records. Set them: `git config user.name NAME` and `git config user.email ADDRESS`."
            )
        return name, email

    def remote(self) -> str:
        """Return the remote to push to; empty without one.

        It is `remote.pushDefault`, that of the current branch, `origin`, or the only one.

        Raises
        ------
        RegistryError
            If there are several and none of these.
        """
        names = self.run("remote").split()
        branch = self.attempt("symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode().strip()
        keys = ["remote.pushDefault", *([f"branch.{branch}.remote"] if branch else [])]
        chosen = [self.attempt("config", "--get", key).stdout.decode().strip() for key in keys]
        found = next((name for name in (*chosen, "origin") if name in names), "")
        if not found and len(names) > 1:
            raise RegistryError(
                f"The repository has the remotes {listed(names, quoted=True)}. Choose the one with the registry: `git config remote.pushDefault NAME`."
            )
        return found or next(iter(names), "")

    def tags(self) -> Iterator[GitTag]:
        """Yield all annotated tags."""
        parts = iter(self.run("for-each-ref", f"--format={_FORMAT}", "refs/tags").split("\0"))
        # Each record starts with the line break that ends the one before.
        for name, kind, commit, who, email, time, message in zip(*[parts] * len(_FIELDS), strict=False):
            if kind == "tag" and commit and time:
                # What others wrote is shown in messages: without characters that control a terminal.
                who, email = ("".join(filter(str.isprintable, text)) for text in (who, email))
                yield GitTag(name.lstrip("\n"), commit, who, email, datetime.fromtimestamp(int(time), UTC), message)

    def signed_off(self, commit: str) -> Mapping[str, str]:
        """Return `author` and `committer` of a commit, as e-mail addresses."""
        author, committer = self.run("show", "--no-patch", "--format=%ae%n%ce", commit).split("\n")[:2]
        return {"author": author, "committer": committer}


def find_git(root: Path) -> Git:
    """Return the Git repository of a project.

    Raises
    ------
    RegistryError
        If there is none, or Git is not installed.
    """
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], cwd=root, capture_output=True, check=False, timeout=_SECONDS, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise RegistryError("The registry of models needs Git, which is not installed. Install it.") from error
    if done.returncode:
        if b"not a git repository" in done.stderr:
            raise RegistryError(
                f"'{root}' is not in a Git repository, and the registry of models is tags of one. Run `git init`, and commit the project."
            )
        raise RegistryError(
            f"Git cannot read the repository of '{root}': {_reason(done)}. Correct that, and try again."
        )
    top = Path(done.stdout.decode().strip()).resolve()
    return Git(top, "" if root == top else root.relative_to(top).as_posix())


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line for line in done.stderr.decode("utf-8", errors="replace").splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
    reason = one_line((wrong or lines or ["no message"])[0])
    return reason.removeprefix("fatal: ").removeprefix("error: ").removeprefix("remote: ").rstrip(".")
