"""Text is read and written in UTF-8, whatever the locale: every call that may use the locale's encoding names one.

Ruff's PLW1514 finds such calls where it knows the type; this also finds them where it does not, and those of programs
that are started.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("app", "benchmarks", "docs", "src")


def without_encoding(source: str) -> Iterator[int]:
    """Yield the line of each call that reads or writes text in the locale's encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(keyword.arg in ("encoding", None) for keyword in node.keywords):
            continue
        method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = {keyword.arg: keyword.value for keyword in node.keywords}
        if any(
            isinstance(words.get(each), ast.Constant) and words[each].value for each in ("text", "universal_newlines")
        ):  # type: ignore[attr-defined]
            yield node.lineno
        elif name == "read_text":
            # `read_text(name)` is that of a distribution, which is in UTF-8.
            if not node.args:
                yield node.lineno
        elif name in ("write_text", "TextIOWrapper"):
            yield node.lineno
        elif name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
            default = "w+b" if name.endswith("File") else "r"
            position = 0 if (method and name == "open") or name.endswith("File") else 1
            given = words.get("mode") or (node.args[position] if len(node.args) > position else ast.Constant(default))
            if isinstance(given, ast.Constant) and isinstance(given.value, str) and _is_text_mode(given.value):
                yield node.lineno


def _is_text_mode(mode: str) -> bool:
    return bool(mode) and set(mode) <= set("rwxat+") and "b" not in mode


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_file_and_program_has_an_encoding(folder: str) -> None:
    paths = [path for path in (ROOT / folder).rglob("*.py") if ".venv" not in path.parts]
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in paths
        for line in without_encoding(path.read_text(encoding="utf-8"))
    ]
    assert paths
    assert not found, "Name the encoding, or read bytes:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "path.read_text()", "path.read_text(errors='replace')", "path.write_text('a')", "path.open()", "path.open('w')", "open(path)",
        "open(path, 'a')", "os.fdopen(3, 'w')", "subprocess.run(words, text=True)", "Popen(words, universal_newlines=True)",
        "TemporaryFile('w')", "io.TextIOWrapper(stream)", "path.open(mode='r+')",
    ],
)  # fmt: skip
def test_what_reads_in_the_locale_is_found(source: str) -> None:
    assert [*without_encoding(source)] == [1]


@pytest.mark.parametrize(
    "source",
    [
        "path.read_text(encoding='utf-8')", "path.read_bytes()", "path.open('rb')", "open(path, 'wb')", "os.fdopen(3, 'rb')",
        "subprocess.run(words, text=False)", "subprocess.run(words, encoding='utf-8')", "tarfile.open(path)[0].open(name)",
        "opener.open(url, timeout=1)", "TemporaryFile()", "distribution.read_text('METADATA')", "run(words, **options)",
    ],
)  # fmt: skip
def test_other_calls_are_not_found(source: str) -> None:
    assert [*without_encoding(source)] == []
