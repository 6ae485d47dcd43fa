"""Every sentence that users see and that changed since a commit: `python -m tests.changed_sentences COMMIT`.

Prints the old sentence (`-`) over the new one that is most like it (`+`); those without a counterpart stand alone.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path

from tests.sentences import FOLDERS, ROOT, all_sentences

# Below this similarity, a sentence was replaced and not reworded.
_ALIKE = 0.5


def sentences_of(commit: str) -> set[str]:
    """Return the sentences of a commit."""
    folders = [folder.relative_to(ROOT).as_posix() for folder in FOLDERS]
    archive = subprocess.run(["git", "archive", commit, *folders], cwd=ROOT, capture_output=True, check=True).stdout
    cache = ROOT / ".nbship/cache"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return {sentence.text for sentence in all_sentences((Path(folder),))}


def pairs(before: Iterable[str], after: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield old and new sentences, the most similar first; an empty string stands for none."""
    olds, news = sorted(before), sorted(after)
    found: list[tuple[float, str, str]] = []
    for new in news:
        matcher = SequenceMatcher(b=new, autojunk=False)
        for old in olds:
            matcher.set_seq1(old)
            if min(matcher.real_quick_ratio(), matcher.quick_ratio()) > _ALIKE and (ratio := matcher.ratio()) > _ALIKE:
                found.append((ratio, old, new))
    for _, old, new in sorted(found, reverse=True):
        if old in olds and new in news:
            olds.remove(old)
            news.remove(new)
            yield old, new
    yield from ((old, "") for old in olds)
    yield from (("", new) for new in news)


def main(commit: str) -> None:
    """Print the changed sentences."""
    before, after = sentences_of(commit), {sentence.text for sentence in all_sentences()}
    for old, new in pairs(before - after, after - before):
        print(
            "\n".join(f"{sign} {' '.join(text.split())}" for sign, text in (("-", old), ("+", new)) if text), end="\n\n"
        )


if __name__ == "__main__":
    main(sys.argv[1])
