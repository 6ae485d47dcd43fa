"""The documentation builds without warnings, and its pages load nothing from other hosts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import ROOT

from nbship.cli import GROUPS, HIDDEN


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(folder / "html")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def test_no_page_loads_anything_from_another_host(built: Path) -> None:
    loads = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=["'](?:https?:)?//[^"']+""")
    fetches = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])(?:https?:)?//[^)"']+""")
    found = [match for page in built.rglob("*.html") for match in loads.findall(page.read_text(encoding="utf-8"))]
    found += [match for sheet in built.rglob("*.css") for match in fetches.findall(sheet.read_text(encoding="utf-8"))]
    assert found == []


def test_llms_txt_lists_every_page_with_a_sentence(built: Path) -> None:
    lines = (built / "llms.txt").read_text(encoding="utf-8").splitlines()
    listed = {match[1] for line in lines if (match := re.match(r"- \[.+\]\((\S+\.html)\): .+\.$", line))}
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert listed == pages - {"index.html"}


def test_every_command_is_in_the_reference(built: Path) -> None:
    page = (built / "reference" / "cli.html").read_text(encoding="utf-8")
    names = [*(name for commands in GROUPS.values() for name in commands), *HIDDEN]
    assert [name for name in names if f'id="nbship-{name}"' not in page] == []
    assert ".. option::" not in page


def test_every_setting_of_the_service_is_in_the_reference(built: Path) -> None:
    page = (built / "reference" / "settings.html").read_text(encoding="utf-8")
    assert "serving.max_rows" in page
    assert "NBSHIP_SERVING__HOST" in page


def test_the_rest_reference_knows_the_paths(built: Path) -> None:
    page = (built / "reference" / "rest.html").read_text(encoding="utf-8")
    assert [id for id in ("post-predict", "post-feedback", "get-metrics") if f'id="{id}"' not in page] == []
