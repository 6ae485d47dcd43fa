"""Stages and commands read and write the same characters in every locale."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packages import make_rows

PIPELINE = """\
tasks:  # Straße
  - source: notebooks/a.ipynb
    name: a
    params: {town: "{{a.town}}"}
    product: {nb: products/a.ipynb, html: products/a.html, data: products/a.txt}
    nb_product_key: [nb, html]
"""
CELLS = [
    "# parameters\nupstream = None\nproduct = None\ntown = 'München'",
    "from towns import twin\nfrom pathlib import Path\nprint('München' == 'M\\u00fcnchen' == town, twin(town))",
    "_ = Path(product['data']).write_text(f'{town} – {twin(town)}\\n')",
]
LOCALES = {
    "C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "Latin-1": {"LC_ALL": "en_US.ISO-8859-1"},
    "C": {"LC_ALL": "C"},
    "POSIX": {"LC_ALL": "POSIX"},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.fixture(scope="module")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a locale whose encoding is Latin-1."""
    if shutil.which("localedef") is None:
        pytest.skip("Locales are made with localedef")
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(folder / "en_US.ISO-8859-1")]
    subprocess.run(command, check=False, capture_output=True)  # its exit code is 1 after warnings
    return folder


# Without `--full`, one locale with an encoding of its own, and one in which Python has only ASCII.
@pytest.fixture(
    params=[name if name in ("Latin-1", "ASCII") else pytest.param(name, marks=pytest.mark.long) for name in LOCALES]
)
def environ(request: pytest.FixtureRequest, latin1: Path) -> dict[str, str]:
    """The environment of a locale, in which Python has the encoding that it should."""
    left_out = ("LANG", "PYTHONUTF8", "PYTHONIOENCODING", "VIRTUAL_ENV", "NBSHIP_STAGE")
    found = {name: value for name, value in os.environ.items() if name not in left_out}
    found |= {**LOCALES[request.param], "LOCPATH": str(latin1), "DVC_NO_ANALYTICS": "1"}
    words = [sys.executable, "-c", "import locale; print(locale.getencoding(), __import__('sys').flags.utf8_mode)"]
    encoding = subprocess.run(words, env=found, capture_output=True, encoding="ascii", check=True).stdout.split()
    # In C and POSIX, Python reads and writes UTF-8 of its own accord.
    expected = {"C.UTF-8": ["UTF-8", "0"], "Latin-1": ["ISO-8859-1", "0"], "ASCII": ["ANSI_X3.4-1968", "0"]}
    assert encoding == expected.get(request.param, ["ANSI_X3.4-1968", "1"])
    return found


def call(root: Path, *words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run nbship in a folder."""
    command = [sys.executable, "-m", "nbship", *words]
    return subprocess.run(
        command, cwd=root, env=environ, capture_output=True, encoding="utf-8", errors="replace", check=False
    )


def write_project(root: Path) -> None:
    (root / "notebooks").mkdir()
    (root / "src").mkdir()
    (root / "pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
    (root / "params.yaml").write_text("a: {town: München}  # größer\n", encoding="utf-8")
    (root / "nbship.yaml").write_text("project: {name: Städte}\n", encoding="utf-8")
    (root / "src/towns.py").write_text("def twin(town):\n    return {'München': 'Zürich'}[town]\n", encoding="utf-8")
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": text,
        }
        for number, text in enumerate(CELLS)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (root / "notebooks/a.ipynb").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def test_a_stage_is_the_same_in_every_locale(tmp_path: Path, environ: dict[str, str]) -> None:
    write_project(tmp_path)
    done = call(tmp_path, "run", environ=environ)
    assert done.returncode == 0, done.stderr
    executed = json.loads((tmp_path / "products/a.ipynb").read_bytes())
    (output,) = (output for cell in executed["cells"] for output in cell["outputs"])
    assert "".join(output["text"]) == "True Zürich\n"
    assert (tmp_path / "products/a.txt").read_bytes() == "München – Zürich\n".encode()
    assert "München" in (tmp_path / "products/a.html").read_text(encoding="utf-8")
    assert "town: München" in (tmp_path / "dvc.lock").read_text(encoding="utf-8")
    # The checks and the next run find nothing to do, in this locale and in that of another user.
    for environment in (environ, {**environ, **LOCALES["C.UTF-8"]}):
        assert "up to date" in call(tmp_path, "run", environ=environment).stdout
        assert "Nothing to run" in call(tmp_path, "status", environ=environment).stdout
    for command in (["sync", "--check"], ["check"]):
        done = call(tmp_path, *command, environ=environ)
        assert done.returncode == 0, done.stderr


def test_files_are_predicted_alike_in_every_locale(
    tmp_path: Path, environ: dict[str, str], small_package: Path
) -> None:
    rows = make_rows(20, seed=5).drop(columns=["limit", "grade"]).assign(note="größer – Łódź")
    rows.loc[3, "line"] = "ß"
    rows.to_csv(tmp_path / "in.csv", index=False)
    words = ["predict", "in.csv", "out.csv", "--ignore-extra", "--package", str(small_package)]
    done = call(tmp_path, *words, environ=environ | {"NBSHIP_STATE": str(tmp_path / "state")})
    assert done.returncode == 0, done.stderr
    rejected = (tmp_path / "out.csv.rejected.csv").read_text(encoding="utf-8")
    assert "größer – Łódź" in rejected
    assert "is 'ß', which is not a known category" in rejected
