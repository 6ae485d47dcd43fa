"""A scheduled `nbship run` or `nbship data fetch`, in a Git worktree of its own: it never touches the checkout of a person.

Run as `python -m nbship.scheduler.worktree ROOT NAME BRANCH COMMAND...`. The worktree shares the cache of DVC and the state of
the project. What the run changed (`dvc.lock`, metrics, the window of new data) becomes a commit on a branch of its own; merging
it is approving it. A run after another one starts from the commit of that one, if it made one::

    HEAD ──► worktree: nbship data fetch ──► commit on scheduled/new-data/<time>
      │                                        └──► worktree: nbship run ──► commit on scheduled/retrain/<time>
      └──────────────────────────────────────────────────────────────────────┴──► git merge, by a person
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..dvcstore import read_repository
from ..errors import NbshipError, ScheduleError
from ..operations import FILES_ROOT

__all__ = ["run_in_worktree"]

_CACHE_OPTION = re.compile(r"(?ms)^\s*\[\s*cache\s*\].*?(?=^\s*\[|\Z)")


def run_in_worktree(
    root: Path, name: str, branch: str, words: Sequence[str], *, after: str, time: str, folder: Path
) -> int:
    """Run a command of nbship in a worktree, and commit what changed; return the exit code of the command.

    Parameters
    ----------
    branch
        The branch or commit to start from; empty for that of the checkout.
    words
        The command, such as `run` with its arguments.
    after
        The schedule that this one runs after; its commit for the same time comes before `branch`.
    time
        The scheduled time, as a part of the name of the new branch.
    folder
        Where the worktree is kept between runs.

    Raises
    ------
    ScheduleError
        If the project is not in a Git repository, or Git fails.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel"))
    commit = _commit_of(root, f"scheduled/{after}/{time}") if after else ""
    commit = commit or _commit_of(root, branch or "HEAD")
    if not commit:
        raise ScheduleError(_unknown(name, branch))
    _check_out(root, folder, commit)
    copy = folder / root.relative_to(top)
    _share_cache(root, copy)
    state = os.environ.get("NBSHIP_STATE") or str(root / ".nbship" / "state")
    environ = {**os.environ, "NBSHIP_STATE": state, FILES_ROOT: str(root)}
    print(f"nbship {' '.join(words)} on {commit[:12]}", flush=True)
    if words[0] == "run":  # a fetch reads no data of DVC
        dvc = [sys.executable, "-m", "dvc", "checkout", "--quiet", "--force", "--allow-missing"]
        subprocess.run(dvc, cwd=copy, env={**environ, "DVC_NO_ANALYTICS": "1"}, check=False)
    code = subprocess.run([sys.executable, "-P", "-m", "nbship", *words], cwd=copy, env=environ, check=False).returncode
    if code == 0:
        _commit(copy, f"scheduled/{name}/{time}", name, time)
    return code


def _commit_of(root: Path, name: str) -> str:
    """Return the commit of a branch or another name; empty if there is none."""
    with suppress(ScheduleError):
        return _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return ""


def _unknown(name: str, branch: str) -> str:
    if not branch:
        return f"The schedule '{name}' starts from a commit, and this repository has none. Commit the project."
    return f"The schedule '{name}' starts from the branch '{branch}', which does not exist. Correct 'schedules.{name}.branch' in nbship.yaml."


def _check_out(root: Path, folder: Path, commit: str) -> None:
    """Give the worktree the files of a commit; it keeps products that Git ignores, which saves copying them."""
    if (folder / ".git").exists():
        # A killed run may have left locks.
        with suppress(ScheduleError):
            _git(folder, "checkout", "--quiet", "--force", "--detach", commit)
            _git(folder, "clean", "--quiet", "--force", "-d")
            return
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git(root, "worktree", "prune")
    _git(root, "worktree", "add", "--quiet", "--force", "--detach", str(folder), commit)


def _share_cache(root: Path, copy: Path) -> None:
    """Let the worktree use the project's DVC cache, with its other local settings."""
    found = read_repository(root)
    dvc = copy / found.root.relative_to(root) / ".dvc" if found.root.is_relative_to(root) else copy / ".dvc"
    if not dvc.is_dir():
        raise ScheduleError("The folder '.dvc' is not in the commit to run. Commit it: `git add .dvc`, `git commit`.")
    local = found.root / ".dvc" / "config.local"
    text = local.read_text(encoding="utf-8") if local.is_file() else ""
    text = f"{_CACHE_OPTION.sub('', text).rstrip()}\n[cache]\n    dir = {found.cache}\n"
    (dvc / "config.local").write_text(text.lstrip(), encoding="utf-8")


def _commit(copy: Path, branch: str, name: str, time: str) -> None:
    _git(copy, "add", "--all", ".")
    if not _git(copy, "status", "--porcelain"):
        print("Nothing changed.")
        return
    who = (
        {}
        if _has_identity(copy)
        else {f"GIT_{role}_{what}": "nbship" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    )
    _git(copy, "checkout", "--quiet", "-B", branch)
    _git(copy, "commit", "--quiet", "--no-verify", "--message", f"nbship: scheduled run {name} of {time}", environ=who)
    _git(copy, "checkout", "--quiet", "--detach")
    print(f"The results are a commit on the branch '{branch}'. To take them: git merge {branch} && dvc checkout")


def _has_identity(copy: Path) -> bool:
    with suppress(ScheduleError):
        return bool(_git(copy, "config", "user.email"))
    return False


def _git(folder: Path, *words: str, otherwise: str = "", environ: Mapping[str, str] | None = None) -> str:
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *words]
    try:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **(environ or {})}, capture_output=True, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise ScheduleError(
            f"A scheduled 'run' or 'data' needs Git, which cannot be started: {error.strerror}. Install git."
        ) from error
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ScheduleError(
            otherwise or f"Git cannot prepare the scheduled run: {reason[0]}. Correct it, then run the schedule again."
        )
    return done.stdout.strip()


def _main() -> None:
    root, name, branch, *words = sys.argv[1:]
    folder = Path(root) / ".nbship" / "cache" / "worktrees" / name
    time = os.environ["NBSHIP_SCHEDULED_TIME"].replace(":", "")
    try:
        after = os.environ.get("NBSHIP_AFTER", "")
        code = run_in_worktree(Path(root), name, branch, words, after=after, time=time, folder=folder)
    except NbshipError as error:
        print(f"nbship: {error}", file=sys.stderr)
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    _main()
