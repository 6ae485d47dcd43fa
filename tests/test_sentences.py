"""What users read: plain English by the project's glossary, and errors of one shape."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sentences import ROOT, SOURCE, Sentence, all_remarks, all_sentences, error_classes, raised_classes

# Paths of which every sentence has been read.
READ = ("src/", "notebooks/", "app/")
# Paths of which every docstring and comment has been read.
FINISHED = ("app", "benchmarks", "docs", "src", "tests")
PAGES = [
    *(ROOT / name for name in ("CHANGELOG.md", "README.md", "SECURITY.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

# Each wrong phrase, and the words to use.
GLOSSARY = {
    r"whoever|nobody|somebody": "the caller, the user, no process",
    r"\bthe one (that|who)\b": "name the thing",
    r"\b(is|are|was|were|been|being) told\b|\btold (by|that|apart)\b": "given, reported",
    r"\b(is|are|was) said\b|\bsaid no\b|\bsays no\b": "printed, rejected, did not pass",
    r"\btruth values?\b": "boolean",
    r"\bwhole numbers?\b": "integer",
    r"\b(is|as|of) a text\b|\btexts\b": "string",
    r"\bhalf (a )?characters?\b": "lone surrogate",
    r"\bdoubled keys?\b|\bkeys? (that is )?there twice\b": "duplicate key",
    r"\bnumbers? that (are|is) none\b": "NaN or Infinity",
    r"\bto the bit\b": "bit for bit, identical",
    r"\bis none of\b|\bare none of\b": "is not one of",
    r"(?<!There )\bis no (input|field|column|stage|model|file|folder|number|date)\b": "is not a(n) …",
    r"\bso (much|many) of\b": "the limit's own noun",
    r"\b(how|so) (many|much) (rows|bytes|requests) it takes\b": "the row limit, the size limit",
    r"\bsend it as it is\b": "Send the body uncompressed.",
    r"\bends? with (0|1|2|3)\b|\bexits with (0|1|2|3)\b": "exits with code 3",
    r"\bRefus(e|es|ed|al|als)\b|\brefus(e|es|ed|al|als)\b": "reject, not allowed",
    r"\bsettled?\b|\bforesee[ns]?\b": "flushed, unlogged",
    r"\bhealed?\b|\bhealing\b|\bupkeep\b": "repair, retention",
    r"\bloud(er|est)?\b|\bquiet(er|est)?\b": "finding, ok",
    r"\bdoes not say\b": "does not set, does not name",
    r"\bas (it|they|that) does\b": "say the thing",
    r"\bcannot be told\b|\bfor want of\b|\bsave for\b": "is not known, too little, except",
    r"\bthe like\b|\bof those who may\b": "name them",
    r"\bthat is theirs\b|\bnone of theirs\b": "say the thing",
    r"\bdoubled\b": "duplicate",
    r"\b[Bb]ring (in|the)\b": "import, copy",
    r"(?<!in a )\bmoments?\b": "timestamp",
    r"\b(cells|a cell) of (a|the) (file|table|row)\b": "CSV values",
    r"\b(landing|books|upkeep|joints|draft)\b": "pending commit, DVC store, retention, joint tables, temporary file",
    r"\bwould like to\b|\bby itself alone\b": "say the thing",
}
# Phrases of docstrings and comments, in addition.
REMARKS = GLOSSARY | {
    r"\bat work\b": "running",
    r"\bas (it|they) stands?\b": "as written",
    r"\btells? (\w+ ){1,3}(apart|from)\b": "distinguish",
    r"\bto the user's\b|\bis (the )?person's\b": "the user",
    r"\bwhat (it|they|each) \w+ (is|are) a function of\b": "inputs, dependencies",
    r"\bkeep what\b|\bwhat was learnt\b": "store, cached",
}
ACCEPTED = re.compile(r"refused connection|connection refused|Connection refused")
# Their message is the reason, a clause of another sentence.
CLAUSES = {"NotCompilableError"}
# Their message is put together from failures.
HELPED = {"InvalidInputError", "UndeclaredReadError"}


def is_read(sentence: Sentence) -> bool:
    return sentence.path.startswith(READ)


def sentences() -> list[Sentence]:
    return [sentence for sentence in all_sentences() if is_read(sentence)]


@pytest.mark.parametrize(("phrase", "instead"), GLOSSARY.items(), ids=[f"'{words}'" for words in GLOSSARY.values()])
def test_sentences_keep_to_the_glossary(phrase: str, instead: str) -> None:
    wrong = [str(each) for each in sentences() if re.search(phrase, ACCEPTED.sub("", each.text), re.IGNORECASE)]
    assert not wrong, f"Write '{instead}':\n" + "\n".join(wrong)


@pytest.mark.parametrize("folder", FINISHED)
def test_docstrings_and_comments_keep_to_the_glossary(folder: str) -> None:
    remarks = all_remarks(ROOT / folder)
    wrong = [
        f"{each}\n  Write '{instead}'."
        for each in remarks
        for phrase, instead in REMARKS.items()
        if re.search(phrase, ACCEPTED.sub("", each.text), re.IGNORECASE)
    ]
    assert remarks
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_keep_to_the_glossary(path: Path) -> None:
    # Blocks hold code and what it prints, and `code` may name what is now called otherwise.
    prose = re.sub(
        r"(?ms)^```.*?^```$|<!--.*?-->|`[^`\n]*`",
        lambda found: re.sub(r"[^\n]", "", found[0]),
        path.read_text(encoding="utf-8"),
    )
    wrong = [
        f"line {number}: {line}\n  Write '{instead}'."
        for number, line in enumerate(prose.splitlines(), 1)
        for phrase, instead in GLOSSARY.items()
        if re.search(phrase, line, re.IGNORECASE)
    ]
    assert prose.strip()
    assert not wrong, "\n".join(wrong)


def test_docstrings_and_comments_are_found() -> None:
    path = ROOT / "tests" / "sentences.py"
    assert {each.kind for each in all_remarks(path)} == {"comment", "docstring"}
    assert any(each.text.startswith("A string that a user can see.") for each in all_remarks(path))


def messages() -> list[Sentence]:
    """Return the messages of nbship's errors."""
    known = error_classes() - CLAUSES
    # A lone word of lower case is the code of an HTTP or gRPC error.
    return [
        each
        for each in sentences()
        if each.kind == "error" and each.where in known and " " in each.text.strip() and each.text.strip()
    ]


def test_an_error_is_a_sentence() -> None:
    wrong = [
        str(each)
        for each in messages()
        if not re.match(r"[A-Z'`{0-9]", each.text) or not re.search(r"([.?!]|[}])$", each.text)
    ]
    assert not wrong, "An error starts with a capital and ends with a full stop:\n" + "\n".join(wrong)


def test_an_error_is_short_and_quotes_with_single_quotes() -> None:
    wrong = [
        str(each)
        for each in messages()
        if len(re.sub(r"\{[^}]*\}", "", each.text)) > 300 or "  " in each.text or re.search(r'(?<![\[(])"\{', each.text)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_sentence_is_missed() -> None:
    found = all_sentences()
    raised = raised_classes() & error_classes()
    unseen = raised - {each.where for each in found}
    kinds = {each.kind for each in found}
    assert len(found) > 1000
    assert {"error", "help", "warning", "markdown", "text"} <= kinds
    # The message of these comes as a value from a helper, whose strings are found as text.
    assert unseen <= HELPED, f"No message of {', '.join(sorted(unseen - HELPED))} was found."


def test_every_module_with_an_error_is_walked() -> None:
    walked = {each.path for each in all_sentences()}
    silent = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"raise \w+Error\(\s*f?[\"'][A-Z']", path.read_text(encoding="utf-8"))
        and f"src/nbship/{path.relative_to(SOURCE).as_posix()}" not in walked
    ]
    assert not silent
