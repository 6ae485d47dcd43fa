"""Notebooks in bash, R and SQL as stages, by their own kernels."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE, is_running, wait_until

from .notebooks import text
from .other_languages import in_language, install_bash, install_sql, require_r
from .two_stages import call, git

PIPELINE = """\
meta: {extract_upstream: false}
tasks:
  - source: notebooks/count.ipynb
    name: count
    params: {rows: "{{count.rows}}", resources_: {words: data/words.txt}}
    product: {nb: out/count.ipynb, table: out/table.csv}
  - source: notebooks/report.ipynb
    name: report
    upstream: [count]
    product: {nb: out/report.ipynb, html: out/report.html, metrics: out/metrics.json}
    nb_product_key: [nb, html]
"""
COUNT = ['head -n "$rows" "$resources_words" | sort > "$product_table"', 'wc -l < "$product_table"\necho "$TOKEN"']
REPORT = ['printf \'{"rows": %d}\\n\' "$(wc -l < "$upstream_count_table")" > "$product_metrics"']


def write(root: Path, name: str, content: dict[str, Any]) -> None:
    (root / "notebooks").mkdir(exist_ok=True)
    (root / f"notebooks/{name}.ipynb").write_text(json.dumps(content))


def bash(*sources: str) -> dict[str, Any]:
    return in_language("bash", "bash", *sources, parameters="# parameters\nrows=1")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> str:
    return install_bash(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, kernels: str) -> Path:
    """A project of two stages in bash that has run once."""
    root = tmp_path_factory.mktemp("bash") / "project"
    files = {
        "pipeline.yaml": PIPELINE,
        "params.yaml": "count: {rows: 3}\n",
        "nbship.yaml": "project: {secrets: [TOKEN]}\n",
        "data/words.txt": "d\nc\nb\na\n",
        ".gitignore": ".nbship/\nenv.yaml\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    write(root, "count", bash(*COUNT))
    write(root, "report", bash(*REPORT))
    git(root, "init", "-q")
    done = call(root, "nbship", "run", JUPYTER_PATH=kernels, TOKEN="wxyz-12345")
    assert done.returncode == 0, done.stderr
    assert "ordinary process" not in done.stdout
    return root


def test_products_are_at_the_injected_paths(finished: Path) -> None:
    assert (finished / "out/table.csv").read_text() == "b\nc\nd\n"
    assert json.loads((finished / "out/metrics.json").read_text()) == {"rows": 3}
    assert "out/metrics.json" in call(finished, "dvc", "metrics", "show").stdout


def test_the_executed_notebook_holds_parameters_outputs_and_no_secret(finished: Path) -> None:
    content = json.loads((finished / "out/count.ipynb").read_text())
    injected = next(cell for cell in content["cells"] if cell["id"] == "injected-parameters")
    assert injected["source"].splitlines()[1:] == [
        "rows=3",
        "product_nb=../out/count.ipynb",
        "product_table=../out/table.csv",
        "resources_words=../data/words.txt",
    ]
    assert content["metadata"]["kernelspec"] == {"display_name": "bash", "language": "bash", "name": "bash"}
    printed = text(content["cells"][-1])
    assert printed.startswith("3\n")
    assert "wxyz" not in printed
    assert "<html" in (finished / "out/report.html").read_text()


def test_memory_and_time_on_the_cpu_are_recorded(finished: Path) -> None:
    records = [json.loads(line) for line in (finished / ".nbship/state/runs.jsonl").read_text().splitlines()]
    assert all(record["cpu_seconds"] > 0 and record["peak_memory"] > 1e6 for record in records)


def test_only_changed_inputs_make_a_stage_stale(finished: Path, kernels: str) -> None:
    assert "would run" not in call(finished, "nbship", "status").stdout
    assert "didn't change" in call(finished, "dvc", "repro", JUPYTER_PATH=kernels).stdout
    words, notebook = finished / "data/words.txt", finished / "notebooks/count.ipynb"
    for path, old, new, reason in (
        (words, "d\n", "e\n", "count   would run: data/words.txt changed"),
        (finished / "params.yaml", "rows: 3", "rows: 2", "count   would run: parameter count.rows changed from 3 to 2"),
        (notebook, "| sort", "| sort -r", "count   would run: notebooks/count.ipynb changed"),
    ):
        before = path.read_text()
        path.write_text(before.replace(old, new))
        assert reason in call(finished, "nbship", "status").stdout
        path.write_text(before)
    content = json.loads(notebook.read_text())
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "by hand"}]
    content["metadata"]["kernelspec"]["display_name"] = "Bash 5"
    notebook.write_text(json.dumps(content))
    assert "would run" not in call(finished, "nbship", "status").stdout


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy for one test."""
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def test_a_parameter_set_on_the_command_line_arrives(project: Path, kernels: str) -> None:
    done = call(project, "nbship", "run", "-S", "count.rows=2", JUPYTER_PATH=kernels)
    assert done.returncode == 0, done.stderr
    assert (project / "out/table.csv").read_text() == "c\nd\n"
    assert json.loads((project / "out/metrics.json").read_text()) == {"rows": 2}


def test_a_failed_cell_is_shown_with_its_printed_text(project: Path, kernels: str) -> None:
    write(project, "count", bash("cat no-such-file", "echo never"))
    done = call(project, "nbship", "run", JUPYTER_PATH=kernels)
    assert done.returncode == 1
    assert "cat: no-such-file: No such file or directory" in done.stderr
    assert "Stage 'count' failed in cell In [3] of 'notebooks/count.ipynb': exit code 1" in done.stderr
    cells = json.loads((project / ".nbship/scratch/count/count.ipynb").read_text())["cells"]
    assert [output["output_type"] for output in cells[2]["outputs"]] == ["stream", "error"]
    assert cells[3]["outputs"] == []


def test_a_missing_kernel_is_an_error_with_the_command_that_installs_it(project: Path) -> None:
    empty = str(project / "no-kernels")
    (project / "params.yaml").write_text("count: {rows: 1}\n")
    done = call(project, "nbship", "run", JUPYTER_PATH=empty)
    assert done.returncode == 1
    assert (
        "Stage 'count' cannot start 'notebooks/count.ipynb'. The kernel 'bash' is not installed. "
        "Run `pip install bash_kernel` and `python -m bash_kernel.install`." in done.stderr
    )
    checked = call(project, "nbship", "check", JUPYTER_PATH=empty)
    assert checked.returncode == 1
    assert "'count.ipynb' cannot run here. The kernel 'bash' is not installed." in checked.stderr


def test_check_fix_tags_the_parameters_cell_and_ploomber_accepts_the_pipeline(project: Path, kernels: str) -> None:
    content = json.loads((project / "notebooks/count.ipynb").read_text())
    content["cells"][0]["metadata"] = {}
    write(project, "count", content)
    done = call(project, "nbship", "check", "--fix", JUPYTER_PATH=kernels)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "notebooks/count.ipynb: added the tag\nNo problems found.\n"
    fixed = json.loads((project / "notebooks/count.ipynb").read_text())["cells"][0]
    assert (fixed["metadata"], "".join(fixed["source"])) == ({"tags": ["parameters"]}, "# parameters\nrows=1")


def test_an_interrupted_run_ends_at_once_and_a_killed_one_leaves_no_kernel(project: Path, kernels: str) -> None:
    for signal in ("INT", "KILL"):
        mark = project / "out" / f"pid-{signal}"
        write(project, "count", bash(f'echo $$ > "../out/{mark.name}"; sleep 1000'))
        command = [str(Path(sys.executable).parent / "nbship"), "run"]
        run = subprocess.Popen(
            command,
            cwd=project,
            env={**os.environ, "JUPYTER_PATH": kernels},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda mark=mark: mark.is_file() and mark.read_text().strip())
        subprocess.run(["kill", "-s", signal, str(run.pid)], check=True)
        assert run.wait(PATIENCE) != 0
        shell = int(mark.read_text())
        wait_until(lambda shell=shell: not is_running(shell))
        assert not is_running(shell)


def test_sql_runs_without_parameters_on_files_named_in_its_cells(project: Path, tmp_path: Path) -> None:
    pipeline = """\
meta: {extract_upstream: false}
tasks:
  - source: notebooks/tables.ipynb
    name: tables
    params: {resources_: {orders: data/orders.db}}
    product: {nb: out/tables.ipynb, copy: out/copy.db}
"""
    (project / "pipeline.yaml").write_text(pipeline)
    (project / "data/orders.db").write_bytes(b"")
    cells = [
        "ATTACH '../data/orders.db' AS orders; ATTACH '../out/copy.db' AS copy",
        "CREATE TABLE copy.t AS SELECT 1 + 1 AS x; SELECT x FROM copy.t",
    ]
    write(project, "tables", in_language("sql", "sqlite", *cells))
    path = install_sql(tmp_path / "sql")
    done = call(project, "nbship", "run", JUPYTER_PATH=path)
    assert done.returncode == 0, done.stderr
    content = json.loads((project / "out/tables.ipynb").read_text())
    assert [text(cell) for cell in content["cells"]] == ["", "2\n"]
    (project / "pipeline.yaml").write_text(pipeline.replace("params: {", "params: {limit: 3, "))
    done = call(project, "nbship", "run", JUPYTER_PATH=path)
    assert (
        "The parameter 'limit' cannot be passed to 'notebooks/tables.ipynb': papermill does not write parameters in sql."
        in done.stderr
    )


def test_r_gives_the_same_bytes_twice_and_its_errors_are_readable(project: Path) -> None:
    require_r()
    pipeline = """\
meta: {extract_upstream: false}
tasks:
  - source: notebooks/fit.ipynb
    name: fit
    params: {rate: 0.5, resources_: {words: data/words.txt, features: R/features.R}}
    product: {nb: out/fit.ipynb, table: out/fit.csv}
"""
    (project / "pipeline.yaml").write_text(pipeline)
    (project / "R").mkdir()
    (project / "R/features.R").write_text("shade <- function(x) x * 2\n")
    cells = [
        'source("../R/features.R")\nwrite.csv(data.frame(x = shade(rate)), product$table, row.names = FALSE)',
        "print(new.env())\nprint(stats::sd)\nreadLines(resources_$words)",
    ]
    write(project, "fit", in_language("R", "ir", *cells, parameters="# parameters\nrate <- 1"))
    first = []
    for _ in range(2):
        done = call(project, "nbship", "run", "--force")
        assert done.returncode == 0, done.stderr
        first.append((project / "out/fit.ipynb").read_bytes())
    assert first[0] == first[1]
    assert (project / "out/fit.csv").read_text() == '"x"\n1\n'
    write(project, "fit", in_language("R", "ir", 'stop("no such airport")'))
    done = call(project, "nbship", "run")
    assert "Stage 'fit' failed in cell In [2] of 'notebooks/fit.ipynb': Error" in done.stderr
    assert "no such airport" in done.stderr.splitlines()[-1]
