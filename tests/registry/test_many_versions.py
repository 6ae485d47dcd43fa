"""A registry of a thousand tags is read quickly."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from registries import Call, git

TAGS = 1000
LIMIT = 0.2  # seconds of CPU beside those of `nbship --version`, with Git's


def write_tags(root: Path, call: Call) -> None:
    """Create versions and promotions with whole records, two for each of 500 commits."""
    call(root, "register")
    call(root, "promote", "--why", "first")
    texts = [git(root, "cat-file", "tag", name).partition("\n\n")[2] for name in ("small@v1.0.0", "small#production#1")]
    stream = []
    for number in range(1, TAGS // 2):
        mark, version = f":{number}", f"v1.{number}.0"
        stream.append(
            f"commit refs/heads/many\nmark {mark}\ncommitter A <a@example.com> {1767600000 + number} +0000\ndata 1\nx\n"
        )
        for text, name in zip(texts, (f"small@{version}", f"small#production#{number + 1}"), strict=True):
            message = text.replace("v1.0.0", version)
            stream.append(f"tag {name}\nfrom {mark}\ntagger A <a@example.com> {1798700000 + number} +0000\ndata {len(message.encode())}\n{message}\n")  # fmt: skip
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input="".join(stream).encode(), check=True)


def seconds(root: Path, *words: str) -> tuple[float, str]:
    """Return the CPU time of a command with its children, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "nbship", *words], cwd=root, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout.decode()


def test_a_thousand_tags_are_listed_in_a_fifth_of_a_second(root: Path, call: Call) -> None:
    write_tags(root, call)
    assert len(git(root, "tag").split()) == TAGS
    for pack in (False, True):
        if pack:
            git(root, "pack-refs", "--all")
        listed, printed = min(seconds(root, "models", "list", "--json") for _ in range(2))
        start, _ = min(seconds(root, "--version") for _ in range(2))
        assert listed - start <= LIMIT
        found = json.loads(printed)
        assert len(found) == TAGS // 2
        assert found[0]["aliases"] == ["production"]
    assert len(call(root, "list")[1].splitlines()) == TAGS // 2 + 1
