"""Every block of the documentation runs, and its output matches the page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from blocks import PAGES, ROOT, TUTORIAL, Outcome, differences, read_page, run_page

DOCS = ROOT / "docs"
# Pages whose blocks take longest run in `make test-faults`.
LONG = {"how-to/operations.md", "how-to/release-a-model.md", "how-to/runbook.md", "how-to/ship-a-package.md"}
NAMES = {page.relative_to(DOCS).as_posix(): page for page in PAGES if page != TUTORIAL and read_page(page).steps}
WITH_BLOCKS = [pytest.param(page, id=name, marks=[pytest.mark.long] * (name in LONG)) for name, page in NAMES.items()]


def report(path: Path, found: list[str]) -> str:
    """Return the differences of a page, and the command that writes the current output into it."""
    return "\n\n".join([*found, f"`python tests/docs/blocks.py {path}` writes the current output into the page."])


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tutorial runs from beginning to end."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def followed(home: Path) -> list[Outcome]:
    """The outputs of the tutorial's commands."""
    return run_page(read_page(TUTORIAL), home)


def test_the_output_of_the_tutorial_matches_the_page(followed: list[Outcome]) -> None:
    found = differences(read_page(TUTORIAL), followed)
    assert not found, report(TUTORIAL, found)


def test_the_tutorial_leads_to_a_report(followed: list[Outcome], home: Path) -> None:
    assert [*home.glob("late_orders/.nbship/state/monitoring/*/report.html")]


@pytest.mark.parametrize("path", WITH_BLOCKS)
def test_the_blocks_of_a_page_run(path: Path, followed: list[Outcome], home: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(home / "late_orders", tmp_path / "late_orders", symlinks=True))
    page = read_page(path)
    found = differences(page, run_page(page, copy, home=tmp_path))
    assert not found, report(path, found)


def test_targets_of_links_exist() -> None:
    broken = []
    for page in [ROOT / "README.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path = target.partition("#")[0]
            if path and "://" not in path and not (page.parent / path).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_files_of_the_repository_that_pages_name_exist() -> None:
    missing = []
    for page in [ROOT / "README.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md")]:
        for name in re.findall(r"`((?:tests|benchmarks|app)/[\w./]*)`", page.read_text(encoding="utf-8")):
            if not (ROOT / name).exists():
                missing.append(f"{page.relative_to(ROOT)}: {name}")
    assert missing == []
