"""A run writes no value of a declared secret to any file, however a notebook prints it."""

from __future__ import annotations

import base64
import html
import json
import random
import string
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

import papermill
import pytest
from execution.notebooks import notebook
from runs import run_project

from nbship.errors import NbshipError, ParameterError
from nbship.execution import stage
from nbship.execution.papermill import progress as papermill_progress

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

PIPELINE = """\
meta: {extract_product: false}
tasks:
  - source: notebooks/leak.ipynb
    name: leak
    params: {url: "{{leak.url}}"}
    product: {nb: products/leak.ipynb, html: products/leak.html, metrics: products/metrics.json}
    nb_product_key: [nb, html]
    nbconvert_exporter_name: {html: html}
    local_execution: true
"""
OPEN = "from nbship import notebook\nstage = notebook.open_stage('leak')\nimport os\nheld = {name: os.environ[name] for name in os.environ if name.startswith('SECRET_')}"
LEAKS = [
    "for value in held.values():\n    print(value)",
    "for value in held.values():\n    print(value[:5], end='', flush=True)\n    print(value[5:], end='', flush=True)\n    print()",
    "held",
    "list(held.values())",
    "import json, pprint\nprint(json.dumps(held))\npprint.pprint(held)",
    "import pandas as pd\npd.DataFrame({'value': list(held.values())})",
    "from IPython.display import HTML, JSON, Markdown, display\nimport html\nfor value in held.values():\n    display(HTML(f'<b>{html.escape(value)}</b>'), JSON({'value': value, value: 1}), Markdown(value))",
    "handle = display('shown', display_id=True)\nhandle.update(str(held))",
    "import subprocess, sys\nfor value in held.values():\n    subprocess.run(['printf', '%s\\n', value])\n    print(value, file=sys.stderr)",
    "import logging, warnings\nfor value in held.values():\n    logging.warning(value)\n    warnings.warn(value)",
    "import base64, urllib.parse\nfor value in held.values():\n    print(base64.b64encode(f'me:{value}'.encode()), urllib.parse.quote(value), value.encode().hex(), value.encode())",
    "import ipywidgets\nipywidgets.Text('\\n'.join(held.values()))",
    "%env",
    "!env",
    "from rich import print as show\nshow(held)",
    "stage.metrics({'held': len(held)})",
]
ERRORS = [
    "raise ValueError(*held.values())",
    "try:\n    {}[list(held.values())[0]]\nexcept KeyError as error:\n    raise RuntimeError(str(held)) from error",
    "import subprocess\nsubprocess.run(['false', *held.values()], check=True)",
    "for value in held.values():\n    assert not value, value",
    "print(held, flush=True)\nos.kill(os.getpid(), 9)",
]


def canaries(count: int) -> dict[str, str]:
    """Return values of many kinds, by the names of their variables."""
    draw = random.Random(7)
    kinds = [
        lambda word: word,
        lambda word: f"{word[:12]}'{word[12:]}",
        lambda word: f'{word[:9]}"\\{word[9:]}',
        lambda word: f"{word[:10]} <&> {word[10:]}",
        lambda word: f"pä$$w0rd-{word}-ключ",
        lambda word: f"postgresql://me:{word}@db.example.org:5432/x?a=1&b=%20",
        lambda word: f"-----BEGIN KEY-----\n{word}\n{word[::-1]}\n-----END KEY-----",
        lambda word: base64.b64encode(word.encode()).decode(),
        lambda word: f"{word}{{x}}%time !ls",
        lambda word: word[:8],
    ]
    words = ["".join(draw.choices(string.ascii_letters + string.digits, k=24)) for _ in range(count)]
    return {f"SECRET_{n}": kinds[n % len(kinds)](word) for n, word in enumerate(words)}


def spellings(value: str) -> Iterator[str]:
    for line in [value, *(line for line in value.splitlines() if not line.startswith("-----"))]:
        yield line
        yield repr(line)[1:-1]
        yield from (
            json.dumps(line)[1:-1],
            json.dumps(line, ensure_ascii=False)[1:-1],
            json.dumps(json.dumps(line))[3:-3],
        )
        yield from (
            html.escape(line),
            json.dumps(html.escape(line))[1:-1],
            urllib.parse.quote(line),
            line.encode().hex(),
        )
        yield base64.b64encode(line.encode()).decode()[: len(line) // 3 * 4]


def found(root: Path, secrets: Mapping[str, str]) -> list[tuple[str, str]]:
    """Look for every spelling of every secret in every byte below a folder."""
    hits = []
    for path in root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for name, value in secrets.items():
            if any(form.encode() in content for form in spellings(value)):
                hits.append((name, path.relative_to(root).as_posix()))
    return hits


@pytest.fixture
def secrets(full: bool, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    values = canaries(50 if full else 10)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def project(tmp_path: Path, secrets: Mapping[str, str]) -> Path:
    root = tmp_path / "project"
    (root / "notebooks").mkdir(parents=True)
    (root / "pipeline.yaml").write_text(PIPELINE)
    (root / "params.yaml").write_text("leak:\n  url: public\n")
    (root / "nbship.yaml").write_text(f"project: {{secrets: [{', '.join(secrets)}]}}\n")
    write(root, *LEAKS)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def write(root: Path, *cells: str) -> None:
    parameters = "# parameters\nupstream = None\nproduct = None\nurl = 'public'"
    content = notebook(OPEN, *cells, parameters=parameters)
    content["metadata"]["language_info"] = {"name": "python"}
    (root / "notebooks/leak.ipynb").write_text(json.dumps(content))


def test_files_of_a_stage_contain_no_secret(
    project: Path, secrets: Mapping[str, str], capfd: pytest.CaptureFixture[str]
):
    run_project(project)
    executed = (project / "products/leak.ipynb").read_text()
    assert all(executed.count(f"[{name}]") >= len(LEAKS) - 2 for name in secrets)
    assert found(project, secrets) == []


@pytest.mark.parametrize("cell", ERRORS)
def test_files_and_output_of_a_failed_stage_contain_no_secret(project: Path, secrets: Mapping[str, str], cell: str):
    write(project, *LEAKS[:2], cell)
    done = subprocess.run(
        [sys.executable, "-m", "nbship", "run"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "SECRET_" in (project / ".nbship/scratch/leak/leak.ipynb").read_text()
    (project / "printed").write_text(done.stdout + done.stderr)
    assert found(project, secrets) == []


def test_files_of_papermill_contain_no_secret(
    project: Path, secrets: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(project / "notebooks")
    write(project, *LEAKS[:-1], ERRORS[0])
    with (project / "log").open("w") as log, pytest.raises(papermill.PapermillExecutionError) as caught:
        papermill.execute_notebook(
            "leak.ipynb", "out.ipynb", engine_name="nbship", progress_bar=False, stdout_file=log, stderr_file=log
        )
    (project / "printed").write_text(str(caught.value))
    assert "[SECRET_0]" in (project / "log").read_text()
    assert found(project, secrets) == []


def test_a_secret_cannot_be_a_parameter(project: Path, secrets: Mapping[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in secrets.items():
        with pytest.raises(ParameterError, match=f"the secret '{name}'"):
            run_project(project, assignments=[f"leak.url=https://{value}@example.org"])
    assert found(project, secrets) == []
    monkeypatch.chdir(project / "notebooks")
    for value in secrets.values():
        with pytest.raises(ParameterError, match="the secret 'SECRET_"):
            papermill.execute_notebook("leak.ipynb", "out.ipynb", {"url": [value]}, engine_name="nbship")
    assert found(project, secrets) == []


def test_a_secret_in_params_yaml_is_written_to_no_other_file(project: Path, secrets: Mapping[str, str]):
    value = secrets["SECRET_0"]
    (project / "params.yaml").write_text(f"leak:\n  url: {json.dumps(value)}\n")
    with pytest.raises(NbshipError, match="the secret 'SECRET_0'"):
        run_project(project)
    assert {path for _, path in found(project, secrets)} == {"params.yaml"}


@pytest.mark.long
def test_a_run_without_redaction_would_be_caught(
    project: Path, secrets: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stage, "redact_executed", lambda executed, _: executed)
    run_project(project)
    assert {name for name, _ in found(project, secrets)} == set(secrets)


@pytest.mark.long
def test_an_engine_without_redaction_would_be_caught(
    project: Path, secrets: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(papermill_progress, "redacted", lambda value, _: value)
    monkeypatch.chdir(project / "notebooks")
    write(project, *LEAKS[:-1])
    papermill.execute_notebook("leak.ipynb", "out.ipynb", engine_name="nbship", progress_bar=False)
    assert {name for name, _ in found(project, secrets)} == set(secrets)
