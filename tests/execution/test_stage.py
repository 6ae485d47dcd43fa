from __future__ import annotations

import json
import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nbship.dvcstore.digests import Digests
from nbship.errors import CellError, DeadKernelError, GateError, ParameterError, StageError, UndeclaredImportError
from nbship.execution.kernels.forked import ForkedKernel
from nbship.execution.reporting.report import describe
from nbship.execution.stage import Inputs, run_stage
from nbship.pipeline.spec import Pipeline, Stage
from nbship.project import Project, Settings
from nbship.run_records import read_records

from .notebooks import notebook, text

OPEN = "from nbship import notebook\nstage = notebook.open_stage('sum')"
PARAMETERS = "# parameters\nupstream = None\nproduct = None\nfactor = 0  # of each\nkinds = []"
WORK = """\
import json
numbers = json.loads(stage.resources["numbers"].read_text())
stage.metrics({"sum": stage.params["factor"] * sum(numbers), "kinds": kinds})
print(stage.resources["numbers"], stage.product["metrics"])"""


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove modules that other tests imported, because a stage's process is a fork of this one."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "colours"]:
        monkeypatch.delitem(sys.modules, name)


class Workspace:
    """A project with one stage."""

    def __init__(self, root: Path, **params: Any) -> None:
        self.root = root
        self.project = Project(root=root, settings=Settings())
        self.stage = Stage(
            name="sum",
            notebook=PurePosixPath("notebooks/sum.ipynb"),
            params={"factor": 2, "kinds": ["a", 1.5, None, True], **params},
            resources={"numbers": PurePosixPath("data/numbers.json")},
            products={
                "nb": PurePosixPath("products/sum.ipynb"),
                "html": PurePosixPath("products/sum.html"),
                "metrics": PurePosixPath("products/sum.json"),
            },
            notebook_keys=("nb", "html"),
        )
        for folder in ("notebooks", "data", "src/colours"):
            (root / folder).mkdir(parents=True)
        (root / "pipeline.yaml").write_text("tasks: []\n")
        (root / "data/numbers.json").write_text("[1, 2, 3]")
        (root / "src/colours/__init__.py").write_text("")
        (root / "src/colours/red.py").write_text("RED = 1\n")
        self.report: Any = None

    def run(self, *sources: str, parameters: str = PARAMETERS, files: tuple[str, ...] = ("data/numbers.json",)) -> Any:
        copy = self.root / "copy.ipynb"
        copy.write_text(json.dumps(notebook(*sources, parameters=parameters)))

        def keep(report: Any) -> None:
            self.report = report

        return run_stage(
            self.project,
            self.stage,
            pipeline=Pipeline({"sum": self.stage}),
            inputs=Inputs(copy=copy, files=files, md5=Digests(self.root / "digests.json").md5),
            environ={"PATH": "/usr/bin:/bin", "COLUMNS": "20", "JPY_SESSION_NAME": "sum.ipynb"},
            on_report=keep,
        )

    def executed(self, path: str = "products/sum.ipynb") -> Any:
        return json.loads((self.root / path).read_text())

    def products(self) -> list[str]:
        return sorted(path.name for path in (self.root / "products").glob("*"))

    def outcomes(self) -> list[str]:
        return [record.outcome for record in read_records(self.root / ".nbship/state/runs.jsonl")]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_stage_makes_its_products_from_typed_parameters(workspace: Workspace):
    report = workspace.run(OPEN, WORK)
    assert json.loads((workspace.root / "products/sum.json").read_text()) == {
        "sum": 12,
        "kinds": ["a", 1.5, None, True],
    }
    assert workspace.products() == ["sum.html", "sum.ipynb", "sum.json"]
    cells = workspace.executed()["cells"]
    assert "factor = 2  # of each" in cells[0]["source"]
    assert 'kinds = ["a", 1.5, None, True]' in cells[0]["source"]
    assert (cells[1]["id"], cells[1]["metadata"]["tags"]) == ("injected-parameters", ["injected-parameters"])
    assert text(cells[3]) == "../data/numbers.json ../products/sum.json\n"
    assert (report.error, report.cells, report.notebook) == ("", 4, "products/sum.ipynb")
    assert workspace.outcomes() == ["done"]


def test_the_same_stage_in_two_folders_gives_the_same_bytes(tmp_path: Path):
    drawing = """\
import matplotlib.pyplot as plt, pandas as pd, warnings
%config InlineBackend.figure_formats = ['png', 'svg']
fig, ax = plt.subplots(figsize=(2, 1)); ax.plot([1, 3, 2], label="a"); ax.legend(); plt.show()
warnings.warn("take care")
display(pd.DataFrame({"a": [1.5, 2.5]}), pd.DataFrame({"a": [1]}).style.highlight_max())
from colours import red
print(red.__file__, object(), {"b", "a", "c"}, __import__("os").environ["TZ"])"""
    progress = """\
from tqdm import tqdm
import sys, time
for _ in tqdm(range(3)): time.sleep(0.01)
for _ in tqdm(range(3), disable=False, file=sys.stderr): time.sleep(0.01)"""
    contents = []
    for name in ("one", "another"):
        workspace = Workspace(tmp_path / name)
        workspace.run(
            OPEN, WORK, drawing, progress, files=("data/numbers.json", "src/colours/__init__.py", "src/colours/red.py")
        )
        contents.append([(workspace.root / "products" / file).read_bytes() for file in workspace.products()])
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in b"".join(contents[0])
    assert b"image/svg+xml" in contents[0][1]
    assert b"src/colours/red.py" in contents[0][1]


def test_a_cell_that_raises_leaves_the_partial_notebook_and_no_product(workspace: Workspace):
    with pytest.raises(
        CellError, match=r"Stage 'sum' failed in cell In \[5\] of 'notebooks/sum.ipynb': ValueError: no"
    ):
        workspace.run(OPEN, WORK, "print('kept')\nraise ValueError('no\\nmore')", "print('never')")
    assert workspace.products() == []
    partial = workspace.executed(".nbship/scratch/sum/sum.ipynb")
    assert text(partial["cells"][4]) == "kept\n"
    assert workspace.report.notebook == ".nbship/scratch/sum/sum.ipynb"
    shown = describe(workspace.report, colour=False)
    assert "    raise ValueError('no\\nmore')" in shown
    assert "ValueError: no" in shown
    assert "\x1b" not in shown
    assert workspace.outcomes() == ["ValueError"]


def test_a_failed_gate_is_a_gate_error(workspace: Workspace):
    with pytest.raises(GateError, match="Stage 'sum': The sum is too small"):
        workspace.run("from nbship.errors import GateError\nraise GateError('The sum is too small')")


def test_a_dead_kernel_is_an_error_of_its_own(workspace: Workspace):
    with pytest.raises(DeadKernelError, match="was killed by SIGKILL"):
        workspace.run("import os\nos.kill(os.getpid(), 9)")
    assert workspace.executed(".nbship/scratch/sum/sum.ipynb")["cells"][2]["outputs"][-1]["ename"] == "DeadKernelError"


def test_an_input_that_changes_during_the_run_fails_the_stage(workspace: Workspace):
    with pytest.raises(StageError, match=r"'data/numbers\.json' changed while stage 'sum' ran"):
        workspace.run(OPEN, WORK, "stage.resources['numbers'].write_text('[4]')")
    assert workspace.products() == []


def test_a_missing_product_fails_the_stage(workspace: Workspace):
    with pytest.raises(StageError, match=r"without writing 'products/sum\.json'"):
        workspace.run(OPEN)
    assert workspace.products() == []


def test_an_undeclared_module_fails_the_stage(workspace: Workspace):
    with pytest.raises(UndeclaredImportError, match=r"loaded the module 'colours', which dvc.yaml does not declare"):
        workspace.run(OPEN, WORK, "__import__('colours.' + 'red')")
    assert workspace.products() == []


def test_a_module_of_another_checkout_is_an_error(workspace: Workspace, tmp_path: Path):
    other = tmp_path / "other" / "colours"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    with pytest.raises(
        UndeclaredImportError, match=r"'colours' from '.*/other/colours/__init__.py', which is outside this project"
    ):
        Workspace(tmp_path / "this").run(
            OPEN, WORK, f"import sys\nsys.path.insert(0, {str(other.parent)!r})\nimport colours"
        )


@pytest.mark.parametrize(
    "value", [(1, 2), float("nan"), b"x", {1: 2}, __import__("numpy").int64(5), __import__("datetime").date(2013, 1, 1)]
)
def test_a_parameter_that_cannot_be_passed_is_rejected_before_the_first_cell(tmp_path: Path, value: Any):
    workspace = Workspace(tmp_path, factor=value)
    (workspace.root / "products").mkdir()
    (workspace.root / "products/sum.json").write_text("old")
    with pytest.raises(ParameterError, match=r"The parameter 'factor' is a .* that cannot be passed unchanged"):
        workspace.run("open('../ran', 'w')")
    assert not (workspace.root / "ran").exists()


@pytest.mark.parametrize("name", ["facto", "x\nimport os", "class", "product"])
def test_an_undeclared_parameter_is_rejected(tmp_path: Path, name: str):
    with pytest.raises(ParameterError, match=r"does not declare the parameter|cannot be the name of a parameter"):
        Workspace(tmp_path, **{name: 1}).run(OPEN)


def test_settings_must_be_declared(workspace: Workspace):
    with pytest.raises(CellError, match=r"reads the setting 'slices', which dvc.yaml does not declare"):
        workspace.run(OPEN, "stage.settings('slices')")


def test_variables_of_a_terminal_or_session_do_not_reach_the_kernel(workspace: Workspace):
    workspace.run(
        OPEN,
        WORK,
        "import os\nprint(os.environ.get('COLUMNS'), os.environ.get('JPY_SESSION_NAME'), os.environ['PYTHONHASHSEED'])",
    )
    assert text(workspace.executed()["cells"][4]) == "None None 0\n"


def test_modules_are_known_even_if_the_kernel_ends_at_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    """The kernel's last frame and its end arrive together, as on a busy machine."""
    send, wait = ForkedKernel._send, ForkedKernel._wait
    ending: set[int] = set()

    def sent(self: ForkedKernel, *documents: Any) -> None:
        send(self, *documents)
        if {"do": "end"} in documents:
            ending.add(id(self))

    def waited(self: ForkedKernel, until: float | None) -> set[int]:
        if id(self) in ending:
            time.sleep(1)
        return wait(self, until)

    monkeypatch.setattr(ForkedKernel, "_send", sent)
    monkeypatch.setattr(ForkedKernel, "_wait", waited)
    with pytest.raises(UndeclaredImportError, match="loaded the module 'colours'"):
        workspace.run(OPEN, WORK, "__import__('colours.' + 'red')")
    assert ending
