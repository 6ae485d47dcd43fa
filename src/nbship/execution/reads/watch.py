"""Watch what a kernel reads in its project: a file that its stage does not declare is an error in the line that opens it.

Python reports each `open` to an audit hook (PEP 578). `native` adds the files that libraries open by themselves. Python
processes that the notebook starts import this module through `sitecustomize`:

    the notebook          open("a.csv")    the hook in the kernel
    joblib, `!python x`   open("a.csv")    the hook in the new process
    `!head a.csv`         another program  the words of its command
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .policy import ReadPolicy

__all__ = ["UndeclaredReadError", "Watch", "install", "resume"]

_CODE = (".py", ".pyc")
_CACHED_CODE = re.compile(r"(^|/)__pycache__/([^/]+)\.[a-z]+-\d+(?:\.opt-\d)?\.pyc$")
_SEPARATORS = re.compile(r"""[\s'"=<>|;&(),]+""")
_MAX_NAMES = 100_000  # opened files that are remembered
_LONGEST_WORD = 4096


class UndeclaredReadError(Exception):
    """The notebook read a file that its stage does not declare."""


class _State(threading.local):
    """How often this thread has asked not to be watched."""

    ignored = 0


class Watch:
    """Watches the reads of this process, and of the processes that it starts.

    Parameters
    ----------
    log
        The file to which all these processes append the undeclared files that they read.
    since
        A file changed later was written by the stage itself.

    Attributes
    ----------
    native
        Reports the files that libraries open by themselves (a `NativeReads`), if set.
    """

    def __init__(self, policy: ReadPolicy, log: str, *, since: int | None = None) -> None:
        self.policy = policy
        self.since = _now() if since is None else since
        self.log, self._root = log, os.path.join(policy.root, "")
        self._known: set[str] = set()  # names that need no further look
        self._written: set[str] = set()
        self._excused: set[str] = set()  # read by nbship itself
        self._folders: dict[str, str] = {}
        self._state = _State()
        self.native: Any = None
        self._handlers: Mapping[str, Callable[..., None]] = {
            "open": self._opened,
            "sqlite3.connect": lambda name: self._opened(name, None, os.O_RDWR),
            "os.rename": lambda _, name, *folders: self._renamed(name),
            "subprocess.Popen": lambda program, words, cwd, _: self._started(words, cwd),
            "os.system": lambda command: self._started(command, None),
            "os.posix_spawn": lambda program, words, _: self._started(words, None),
            # Raised in a process that was just forked: an error there would run the notebook twice.
            "os.exec": lambda program, words, _: self._started(words, None, stop=False),
            "nbship.own_reads": self._own_reads,
        }

    def start(self) -> None:
        """Start to watch; this cannot be undone."""
        handlers = self._handlers

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in handlers:
                __tracebackhide__ = True  # IPython leaves this frame out
                handlers[event](*arguments)

        sys.addaudithook(hook)

    def found(self) -> list[str]:
        """Return the undeclared files that were read until now, in any process."""
        with self._ignored():
            for path in self.native.drain() if self.native else ():
                if path not in self._excused:
                    self._judge(self._root + path, stop=False)
            try:
                with open(self.log, encoding="utf-8") as file:
                    return list(dict.fromkeys(json.loads(line) for line in file))
            except FileNotFoundError:
                return []

    def check(self) -> None:
        """Raise for an undeclared file, whose error was caught or which a library opened by itself."""
        data = [path for path in self.found() if not path.endswith(_CODE)]
        if data:
            raise UndeclaredReadError(self.policy.problem(data[0]))

    def _opened(self, name: Any, mode: Any, flags: int) -> None:
        __tracebackhide__ = True
        if isinstance(name, int):
            return
        if self._state.ignored:
            self._excused.update(self._names(_absolute(name)))
            return
        with self._ignored():
            path = _absolute(name)
            if flags & os.O_ACCMODE == os.O_WRONLY or flags & (os.O_TRUNC | os.O_EXCL):
                self._written.update(self._names(path))
            elif path not in self._known:
                self._judge(path)

    def _renamed(self, name: Any) -> None:
        if not isinstance(name, int):
            self._written.update(self._names(_absolute(name)))

    def _started(self, words: Any, cwd: Any, *, stop: bool = True) -> None:
        """Judge the files among the arguments of a program."""
        __tracebackhide__ = True
        if self._state.ignored:
            return
        with self._ignored():
            for word in _words(words):
                path = _absolute(os.path.join(os.fsdecode(cwd or ""), word))
                self._judge(path, stop=stop, program=True)

    def _judge(self, path: str, *, stop: bool = True, program: bool = False) -> None:
        __tracebackhide__ = True
        names = self._names(path)
        if names and not any(map(self.policy.allows, names)):
            try:
                info = os.stat(path)
            except OSError:
                return
            if not stat.S_ISREG(info.st_mode):
                return
            if not self._is_own(names, info):
                self._report(names[0])
                # Imports are reported by the name of the module, at the end.
                if stop and (program or not path.endswith(_CODE)):
                    raise UndeclaredReadError(self.policy.problem(names[0]))
        if len(self._known) >= _MAX_NAMES:
            self._known.clear()
        self._known.add(path)

    def _is_own(self, names: Iterable[str], info: os.stat_result) -> bool:
        """Tell whether the stage wrote the file itself; a stage that runs at the same time writes its products."""
        changed = info.st_ctime_ns >= self.since
        return any(name in self._written or (changed and not self.policy.is_other(name)) for name in names)

    def _report(self, relative: str) -> None:
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, json.dumps(relative).encode() + b"\n")
        finally:
            os.close(file)

    def _names(self, path: str) -> list[str]:
        """Return the names that a path has in the project: as written, and without the links to its folder."""
        folder, _, name = path.rpartition("/")
        if (real := self._folders.get(folder)) is None:
            if len(self._folders) >= _MAX_NAMES:
                self._folders.clear()
            real = self._folders[folder] = os.path.realpath(folder or "/")
        if name in ("", ".", ".."):
            return []
        paths = [os.path.normpath(path), os.path.join(real, name)]
        if not any(each.startswith(self._root) for each in paths) and os.path.islink(path):
            paths.append(os.path.realpath(path))
        inside = dict.fromkeys(each[len(self._root) :] for each in paths if each.startswith(self._root))
        return [_CACHED_CODE.sub(r"\1\2.py", each) for each in inside]

    def _own_reads(self, begin: bool) -> None:
        self._state.ignored += 1 if begin else -1

    @contextlib.contextmanager
    def _ignored(self) -> Iterator[None]:
        self._own_reads(True)
        try:
            yield
        finally:
            self._own_reads(False)


def install(order: Mapping[str, Any], folder: str) -> Watch:
    """Watch this process, and the Python processes that it starts.

    Parameters
    ----------
    order
        The fields of a `ReadPolicy`.
    folder
        A private folder.
    """
    watch = Watch(ReadPolicy(**order), os.path.join(folder, "reads"))
    site = os.path.join(folder, "site")
    os.mkdir(site)
    state = {"order": dict(order), "log": watch.log, "since": watch.since}
    with open(os.path.join(site, "sitecustomize.py"), "w", encoding="utf-8") as file:
        file.write(_SITE.format(folder=os.path.dirname(__file__), state=json.dumps(state)))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")]))
    watch.start()
    return watch


def resume(order: Mapping[str, Any], *, log: str, since: int) -> None:
    """Watch a process that a watched one started."""
    Watch(ReadPolicy(**order), log, since=since).start()


# What Python imports when it starts; another `sitecustomize` further down the path is run as usual.
_SITE = """\
import importlib.machinery, importlib.util, json, os, sys, types
try:
    package = sys.modules["_nbship_reads"] = types.ModuleType("_nbship_reads")
    package.__path__ = [{folder!r}]
    importlib.import_module("_nbship_reads.watch").resume(**json.loads({state!r}))
finally:
    path = [each for each in sys.path if os.path.abspath(each) != os.path.dirname(os.path.abspath(__file__))]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""


def _absolute(name: Any) -> str:
    path = os.fsdecode(name)
    if path.startswith("file:"):  # SQLite's
        path = path[len("file:") :].partition("?")[0]
    if path.startswith("/"):
        return path
    try:
        return os.path.join(os.getcwd(), path)
    except OSError:  # the folder was deleted
        return path


def _words(given: Any) -> Iterator[str]:
    """Yield the words of a command that may name files."""
    for word in [given] if isinstance(given, (str, bytes, os.PathLike)) else given:
        text = os.fsdecode(word)
        if len(text) <= _LONGEST_WORD:
            yield from dict.fromkeys([text, *filter(None, _SEPARATORS.split(text))])


def _now() -> int:
    # Linux takes the times of files from this clock, which is some milliseconds behind the others.
    return time.clock_gettime_ns(getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME))
