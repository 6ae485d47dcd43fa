"""Run the blocks of a documentation page, top to bottom, in one shell and one folder.

The language of a fence sets how the block runs:

`bash`
    Commands. They must succeed; their output is ignored.
`console`
    Commands after `$ `, each followed by its output. A line `...` stands for any lines.
`python`
    A separate script, or with `>>>` a session whose outputs are compared.
`yaml`
    A file; its first line is a comment with the name. `nbship.yaml` must be readable.
`text`
    A drawing or a listing, which is not run.

A comment before a fence adds instructions: `<!-- cell notebooks/late.ipynb -->` puts the block into a new cell at the end of
that notebook, `<!-- file labels.py -->` into that file. `<!-- run rm nbship.yaml -->` runs a command that readers do not see.

`python tests/docs/blocks.py docs/tutorial.md` runs a page and writes its commands' output into it.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TUTORIAL = ROOT / "docs" / "tutorial.md"
# Its lines need the reference project: `tests/e2e/test_readme.py` runs them.
ELSEWHERE = ROOT / "docs" / "how-to" / "demonstration.md"
PAGES = [TUTORIAL, *sorted(set((ROOT / "docs").rglob("*.md")) - {TUTORIAL, ELSEWHERE})]
LANGUAGES = ("bash", "console", "python", "yaml", "text")

_FENCE = re.compile(r"^```(\{?[\w-]*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
_HIDDEN = re.compile(r"^<!-- run (.*) -->$", re.MULTILINE)
_MARKER = re.compile(r"<!-- (cell|file) (\S+) -->\s*$")
_BEGIN = "\x1e"
_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\bb[0-9a-f]{16}-(\d+)"), r"RUN-\1"),
    (re.compile(r"\bnbs_[A-Za-z0-9_-]+|\b[A-Za-z0-9_-]{40,}\b"), "KEY"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?"), "TIME"),
    (re.compile(r"[\d.]+ (ms|s|MB|kB)\b"), r"N \1"),
    (re.compile(r"\d+\.\d+\.\d+\b"), "VERSION"),
    (re.compile(r"(\d+\.\d{3})\d+"), r"\1"),
    (re.compile(r"\de[-+]\d\d\b"), "TINY"),
    # Sums round differently on different processors.
    (re.compile(r"equal to scikit-learn"), "within TINY of scikit-learn"),
    (re.compile(r"\b(linux|darwin) \w+( avx\w*)?"), "PLATFORM"),
    (re.compile(r" +"), " "),
)


@dataclass
class Step:
    """Commands on a page, or a file that it creates."""

    line: int
    commands: str
    expected: str | None = None
    place: tuple[int, int] | None = None  # of the expected output in the page's text


@dataclass
class Page:
    """A page and its steps."""

    path: Path
    text: str
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """The output of a step."""

    step: Step
    printed: str


class BlockError(AssertionError):
    """A block of a page failed, or its output differs from the page."""


def fences(text: str) -> Iterator[re.Match[str]]:
    """Yield the fenced blocks of Markdown that are code, and not directives."""
    yield from (block for block in _FENCE.finditer(text) if not block[1].startswith("{"))


def read_page(path: Path) -> Page:
    """Read a page's blocks as steps."""
    page = Page(path, path.read_text(encoding="utf-8"))
    found = [*fences(page.text), *_HIDDEN.finditer(page.text)]
    for block in sorted(found, key=lambda match: match.start()):
        line = page.text.count("\n", 0, block.start()) + 1
        if block.re is _HIDDEN:
            page.steps.append(Step(line, block[1] + "\n"))
            continue
        marker = _MARKER.search(page.text, 0, block.start())
        marked = (marker[1], marker[2]) if marker and marker.end() == block.start() else None
        page.steps += _steps(block, line, marked)
    return page


def _steps(block: re.Match[str], line: int, marked: tuple[str, str] | None) -> Iterator[Step]:
    language, text = block[1], block[2]
    if marked:
        program = "add_cell" if marked[0] == "cell" else "write_file"
        yield Step(line, _heredoc(f"{program} {marked[1]}", text))
    elif language == "bash":
        yield Step(line, text)
    elif language == "console":
        yield from _console(text, line, block.start(2))
    elif language == "yaml":
        name = re.match(r"# (\S+\.yaml)", text)
        if not name:
            raise BlockError(f"line {line}: The first line of a yaml block names its file: '# nbship.yaml'.")
        yield Step(line, _heredoc(f"write_file {name[1]}", text))
        if name[1] == "nbship.yaml":
            yield Step(line, "python -c 'from nbship.project import load; load().settings'\n")
    elif language == "python":
        yield Step(line, _heredoc("python -m doctest_stdin" if ">>>" in text else "python -", text))
    elif language != "text":
        raise BlockError(f"line {line}: '{language}' blocks are not run. Use one of {', '.join(LANGUAGES)}.")


def _console(text: str, line: int, start: int) -> Iterator[Step]:
    pieces = [*re.finditer(r"^\$ (.*(?:\n> .*)*)\n", text, re.MULTILINE)]
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        end = following.start() if following else len(text)
        number = line + 1 + text.count("\n", 0, piece.start())
        yield Step(
            number, re.sub(r"\n> ", "\n", piece[1]) + "\n", text[piece.end() : end], (start + piece.end(), start + end)
        )


def _heredoc(command: str, text: str) -> str:
    return f"{command} <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n"


def run_page(page: Page, folder: Path, *, home: Path | None = None) -> list[Outcome]:
    """Run a page's steps in a folder.

    Raises
    ------
    BlockError
        If a step fails.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    script = "set -eu -o pipefail\n" + "".join(
        f"printf '{_BEGIN}{number}\\n'\n{step.commands}" for number, step in enumerate(page.steps)
    )
    tools = Path(__file__).parent / "tools"
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("NBSHIP")},
        "PATH": os.pathsep.join([str(tools), str(BIN), os.environ["PATH"]]),
        "PYTHONPATH": str(tools),
        "DVC_NO_ANALYTICS": "1",
        "COLUMNS": "100",
        "NBSHIP_CHECKOUT": str(ROOT),
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["bash", "-c", script.replace("8000", port)],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=200)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        output.seek(0)
        printed = output.read().replace(port, "8000").replace(str((home or folder).resolve()), "/home/you")
    texts = dict(piece.split("\n", 1) for piece in printed.split(_BEGIN)[1:])
    outcomes = [Outcome(step, texts[str(number)]) for number, step in enumerate(page.steps) if str(number) in texts]
    if code:
        failed = outcomes[-1]
        raise BlockError(
            f"{page.path}:{failed.step.line}: exit code {code} of\n{failed.step.commands}\n{failed.printed}"
        )
    return outcomes


def normal(text: str) -> str:
    """Return output without values that differ between runs: ids, digests, times, sizes, the last digits."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def same(expected: str, printed: str) -> bool:
    """Return whether a command's output matches the page, where a line `...` stands for any lines."""
    parts = [re.escape(normal(part)) for part in re.split(r"^\.\.\.$", expected, flags=re.MULTILINE)]
    return re.fullmatch(r"\s*(?:.*\s*)?".join(parts), normal(printed), re.DOTALL) is not None


def differences(page: Page, outcomes: Sequence[Outcome]) -> list[str]:
    """Return a diff for each step whose output differs from the page."""
    return [
        "\n".join(
            [
                f"{page.path}:{outcome.step.line}: `{outcome.step.commands.strip()}`",
                *difflib.unified_diff(
                    normal(outcome.step.expected).splitlines(),
                    normal(outcome.printed).splitlines(),
                    "the page",
                    "printed",
                    lineterm="",
                ),
            ]
        )
        for outcome in outcomes
        if outcome.step.expected is not None and not same(outcome.step.expected, outcome.printed)
    ]


def with_outputs(page: Page, outcomes: Sequence[Outcome]) -> str:
    """Return the page's text with the current output of its commands: if one differs, of all, so that ids agree."""
    text, is_stale = page.text, bool(differences(page, outcomes))
    for outcome in reversed(outcomes):
        step = outcome.step
        if not is_stale or not step.place or not step.expected or step.expected == outcome.printed:
            continue
        # A line `...` stands for lines that the page leaves out.
        if "..." not in step.expected.splitlines() or not same(step.expected, outcome.printed):
            text = text[: step.place[0]] + outcome.printed.rstrip() + "\n" + text[step.place[1] :]
    return text


def main(paths: Sequence[str]) -> None:
    """Run pages, the tutorial first, and write the output of their commands into them."""
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        outcomes = run_page(read_page(TUTORIAL), home)
        for path in [Path(each).resolve() for each in paths]:
            page = read_page(path)
            if path != TUTORIAL and page.steps:
                with tempfile.TemporaryDirectory() as other:
                    copy = Path(shutil.copytree(home / "late_orders", Path(other) / "late_orders", symlinks=True))
                    outcomes = run_page(page, copy, home=Path(other))
            if page.steps:
                path.write_text(with_outputs(page, outcomes), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or [str(path) for path in PAGES])
