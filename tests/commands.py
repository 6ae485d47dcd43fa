"""Run the programs of this environment as its user would.

DVC runs in a fork of a process that has imported it: its imports take longer than most of its commands.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

__all__ = ["BIN", "activated", "run"]

BIN = Path(sys.executable).parent

# Reads a request per line, and answers with the exit code of the command.
_SERVER = """\
import json, os, sys, traceback
import dvc.cli.parser, dvc.dirs, dvc.repo.reproduce, dvc.repo.status, dvc.stage.run, dvc_render, networkx, ruamel.yaml
dvc.cli.parser.get_main_parser()

def run(words, folder, environ, output, errors):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["dvc", *words]
    for number, path in enumerate((os.devnull, output, errors)):
        os.dup2(os.open(path, os.O_RDWR), number)
    return dvc.cli.main(words)

for line in sys.stdin:
    child = os.fork()
    if not child:
        code = 255
        try:
            code = run(*json.loads(line))
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.__stdout__, flush=True)
"""


def activated() -> dict[str, str]:
    """Return environment variables with the programs of this environment on PATH."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def run(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment, or one on PATH, until it ends; `env` is `activated()` without another one."""
    environ = activated() if env is None else env
    if words[0] == "dvc":
        done = _dvc(words, cwd, environ)
    else:
        program = BIN / words[0]
        command = [str(program) if program.exists() else words[0], *words[1:]]
        done = subprocess.run(command, cwd=cwd, env=dict(environ), capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


_lock = threading.Lock()
_servers: list[subprocess.Popen[str]] = []


def _dvc(words: tuple[str, ...], folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    with (
        _lock,
        tempfile.NamedTemporaryFile("w+", encoding="utf-8") as output,
        tempfile.NamedTemporaryFile("w+", encoding="utf-8") as errors,
    ):
        if not _servers:
            _servers.append(subprocess.Popen([sys.executable, "-c", _SERVER], stdin=-1, stdout=-1, text=True))
            atexit.register(_servers[0].kill)
        server = _servers[0]
        request = (words[1:], str(folder), dict(environ), output.name, errors.name)
        _pipe(server.stdin).write(json.dumps(request) + "\n")
        _pipe(server.stdin).flush()
        code = int(_pipe(server.stdout).readline())
        return subprocess.CompletedProcess(words, code, output.read(), errors.read())


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
