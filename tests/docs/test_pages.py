"""Every block of the documentation runs, and prints what the page says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from blocks import PAGES, ROOT, TUTORIAL, Page, differences, read_page, run_page

DOCS = ROOT / "docs"
WITH_BLOCKS = [page for page in PAGES if page != TUTORIAL and read_page(page).steps]


def check(page: Page, folder: Path, home: Path) -> None:
    found = differences(page, run_page(page, folder, home=home))
    assert not found, "\n\n".join([*found, f"`python tests/docs/blocks.py {page.path}` writes what was printed."])


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tutorial was followed from beginning to end."""
    folder = tmp_path_factory.mktemp("home")
    check(read_page(TUTORIAL), folder, folder)
    return folder


def test_the_tutorial_leads_to_a_report(home: Path) -> None:
    assert [*home.glob("late_orders/.nbship/state/monitoring/*/report.html")]


@pytest.mark.parametrize("path", WITH_BLOCKS, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_the_blocks_of_a_page_run(path: Path, home: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(home / "late_orders", tmp_path / "late_orders", symlinks=True))
    check(read_page(path), copy, tmp_path)


def test_links_between_pages_and_to_files_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path = target.partition("#")[0]
            if path and "://" not in path and not (page.parent / path).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
