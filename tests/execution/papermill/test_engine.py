"""papermill's command and API with nbship's engine: the same outputs and metadata as papermill's own engine."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import papermill
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from waiting import PATIENCE, in_time, wait_until

from nbship.errors import ParameterError

from ..notebooks import notebook, text
from ..other_languages import install_bash
from ..two_stages import call

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


class Workspace:
    """A folder in which papermill executes notebooks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, *sources: str, parameters: str | None = None, **metadata: Any) -> Path:
        content = notebook(*sources, parameters=parameters)
        content["metadata"] |= {"language_info": {"name": "python"}, **metadata}
        path = self.root / "in.ipynb"
        path.write_text(json.dumps(content))
        return path

    def run(self, *, engine: str | None = "nbship", parameters: dict[str, Any] | None = None, **options: Any) -> Any:
        out = self.root / f"{engine}.ipynb"
        return papermill.execute_notebook(
            self.root / "in.ipynb",
            out,
            parameters=parameters,
            engine_name=engine,
            progress_bar=False,
            cwd=self.root,
            **options,
        )

    def saved(self, engine: str | None = "nbship") -> Any:
        content = nbformat.read(self.root / f"{engine}.ipynb", as_version=4)
        nbformat.validate(content)
        return content


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def stable(content: Any) -> Any:
    """Return a notebook without the values that differ between runs."""
    if isinstance(content, dict):
        return {
            key: type(value).__name__
            if key in {"start_time", "end_time", "duration", "output_path", "iopub.execute_input", "iopub.status.busy"}
            or key in {"iopub.status.idle", "shell.execute_reply", "id"}
            else stable(value)
            for key, value in content.items()
        }
    return [stable(value) for value in content] if isinstance(content, list) else content


@pytest.mark.parametrize(
    "sources",
    [
        ("# Title", "print(x)\nx", "", "from IPython.display import HTML\nHTML('<b>b</b>')", "# End"),
        ("print(1)", "print('before')\n1 / x", "print('never')"),
        ("import sys\nsys.exit()", "print('never')"),
        ("import sys\nsys.exit(3)", "print('never')"),
        ("# No code at all",),
    ],
    ids=["all", "an error", "exit", "exit with a status", "no code"],
)
@pytest.mark.parametrize("parameters", [None, {"x": 0}], ids=["plain", "with parameters"])
def test_the_saved_notebook_equals_papermills(workspace: Workspace, sources: tuple[str, ...], parameters: Any):
    workspace.write(*sources, parameters="x = 0")
    raised = []
    for engine in (None, "nbship"):
        try:
            workspace.run(engine=engine, parameters=parameters)
        except PapermillExecutionError as error:
            raised.append((error.cell_index, error.exec_count, error.ename, error.evalue))
    assert len(raised) in (0, 2)
    assert raised[:1] == raised[1:]
    assert stable(workspace.saved()) == stable(workspace.saved(None))


def test_cell_tags_are_respected(workspace: Workspace):
    path = workspace.write("1 / 0", "print('skipped')", "print('on')")
    content = json.loads(path.read_text())
    content["cells"][0]["metadata"]["tags"] = ["raises-exception"]
    content["cells"][1]["metadata"]["tags"] = ["skip-execution"]
    path.write_text(json.dumps(content))
    for engine in (None, "nbship"):
        with pytest.raises(PapermillExecutionError):
            workspace.run(engine=engine)  # papermill raises for any error it finds at the end
    assert stable(workspace.saved()) == stable(workspace.saved(None))


@pytest.mark.parametrize(
    ("ending", "reason"), [("os.kill(os.getpid(), 9)", "was killed by SIGKILL"), ("os._exit(3)", "exit status 3")]
)
def test_a_dead_kernel_is_marked_and_never_completed(workspace: Workspace, ending: str, reason: str):
    workspace.write("print('first')", f"import os\nprint('then')\n{ending}", "print('never')")
    with pytest.raises(DeadKernelError, match=reason):
        workspace.run()
    marker, first, anchor, second, third = workspace.saved()["cells"]
    assert "An Exception was encountered" in marker["source"]
    assert "papermill-error-cell" in anchor["source"]
    assert (text(first), text(second)) == ("first\n", "then\n")
    assert reason in second["outputs"][-1]["evalue"]
    metadata = [cell["metadata"]["papermill"] for cell in (first, second, third)]
    assert [each["status"] for each in metadata] == ["completed", "failed", "pending"]
    assert [each["exception"] for each in metadata] == [False, True, None]
    assert workspace.saved()["metadata"]["papermill"]["exception"] is True


def test_a_cell_that_takes_too_long_is_marked(workspace: Workspace):
    workspace.write("print('here', flush=True)\nimport time\ntime.sleep(1000)")
    with in_time(), pytest.raises(CellTimeoutError, match="longer than 1 s"):
        workspace.run(execution_timeout=1)
    cell = workspace.saved()["cells"][2]
    assert (text(cell), cell["metadata"]["papermill"]["status"]) == ("here\n", "failed")


def test_a_dead_kernel_is_reported_as_by_papermill(workspace: Workspace):
    workspace.write("import os\nos._exit(1)")
    done = call(workspace.root, "papermill", "in.ipynb", "out.ipynb", "--engine", "nbship")
    assert done.returncode == 138
    done = call(workspace.root, "papermill", "in.ipynb", "-", "--engine", "nbship")
    assert done.returncode != 0
    assert json.loads(done.stdout)["cells"][2]["outputs"][-1]["ename"] == "DeadKernelError"


@pytest.mark.parametrize(
    "value",
    [np.int64(5), np.bool_(False), (1, 2), [(1, 2)], {1: 2}, {"a": (1,)}, b"x", {1}, float("nan"), "\ud800",
     datetime.date(2013, 1, 1), decimal.Decimal("1.5"), Path("x")],
    ids=repr,
)  # fmt: skip
def test_a_value_that_papermill_would_convert_is_rejected_before_anything_is_written(workspace: Workspace, value: Any):
    workspace.write("open('ran', 'w')", parameters="x = 0")
    with pytest.raises(
        ParameterError, match=r"The parameter 'x' .* cannot be passed unchanged.* (Pass|Use|Put|Remove)"
    ):
        workspace.run(parameters={"x": value})
    assert [path.name for path in workspace.root.iterdir()] == ["in.ipynb"]


@pytest.mark.parametrize("name", ["x\nopen('ran', 'w')\ny", "x; y", "class", "__builtins__", "_", "In", "ﬁ", "x y"])
def test_an_invalid_parameter_name_is_rejected(workspace: Workspace, name: str):
    workspace.write("1", parameters="x = 0")
    with pytest.raises(ParameterError, match="cannot be the name of a parameter"):
        workspace.run(parameters={name: 1})
    assert [path.name for path in workspace.root.iterdir()] == ["in.ipynb"]


@pytest.mark.parametrize(("default", "given"), [("True", "false"), ("True", "no"), ("3", "three"), ("0.5", "half")])
def test_a_string_for_a_number_or_boolean_is_rejected(workspace: Workspace, default: str, given: str):
    workspace.write("open('ran', 'w')", parameters=f"names = sorted([])  # no literal\nx = {default}")
    with pytest.raises(
        ParameterError, match=f"'x' is the string '{given}', but its default in the notebook is {default}"
    ):
        workspace.run(parameters={"x": given})  # papermill reads `-p x false` as this string
    assert [path.name for path in workspace.root.iterdir()] == ["in.ipynb"]


def test_values_arrive_unchanged(workspace: Workspace):
    values = {
        "a": 1, "b": -0.0, "c": True, "d": None, "e": 'a "b" \'c\' \\ \n \t é € 🚀 {x} %time !ls ?', "f": [1, [2.5, None]],
        "g": {"k y": {"z": [False]}, "": ""}, "h": 10**30, "i": 1e300, "j": "'''", "k": "%matplotlib", "l": "x?",
    }  # fmt: skip
    names = ", ".join(values)
    workspace.write(f"import json\nprint(json.dumps([{names}]))\nprint(repr([{names}]))")
    workspace.run(parameters=values)
    first, second = text(workspace.saved()["cells"][1]).splitlines()
    assert (json.loads(first), second) == (list(values.values()), repr(list(values.values())))


def test_an_injected_cell_of_an_earlier_run_is_left_alone(workspace: Workspace):
    workspace.write("print(x)", parameters="x = 0")
    workspace.run(parameters={"x": 1})
    again = workspace.saved()
    again["cells"][1]["source"] = "x = (1, 2)  # by hand"
    (workspace.root / "in.ipynb").write_text(json.dumps(again))
    workspace.run()
    assert text(workspace.saved()["cells"][2]) == "(1, 2)\n"


def test_outputs_go_to_the_log_and_to_files(workspace: Workspace, tmp_path: Path):
    workspace.write("import sys\nprint('out')\nprint('err', file=sys.stderr)\n'value'")
    options = ["--stdout-file", "so.txt", "--stderr-file", "se.txt", "--log-output"]
    done = call(workspace.root, "papermill", "in.ipynb", "out.ipynb", "--engine", "nbship", *options)
    assert done.returncode == 0, done.stderr
    assert all(part in done.stderr for part in ("out\n", "err\n", "'value'", "Ending Cell 1"))
    assert ((tmp_path / "so.txt").read_text(), (tmp_path / "se.txt").read_text()) == ("out\n", "err\n")


def test_another_kernel_runs_in_a_separate_process_with_a_notice(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "jupyter" / "kernels" / "other"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Other", "language": "python", "env": {"OF_THE_SPEC": "yes"}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    kernel = {"name": "other", "display_name": "Other", "language": "python"}
    workspace.write("import os\nprint(os.environ['OF_THE_SPEC'])", kernelspec=kernel)
    workspace.run()
    assert text(workspace.saved()["cells"][0]) == "yes\n"
    assert "names the kernel 'other'. It ran in an ordinary process" in caplog.text


def test_parameters_reach_another_language_unchanged(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("JUPYTER_PATH", install_bash(tmp_path / "jupyter"))
    kernel = {"name": "bash", "display_name": "Bash", "language": "bash"}
    workspace.write('printf %s "$label"', parameters="label=none", kernelspec=kernel, language_info={"name": "bash"})
    workspace.run(parameters={"label": "a\tb $HOME é"})
    cells = workspace.saved()["cells"]
    assert cells[1]["source"] == "# Parameters\nlabel=$'a\\x09b $HOME é'"
    assert text(cells[2]) == "a\tb $HOME é\n"
    with pytest.raises(ParameterError, match="is a list of lists, which bash does not support"):
        workspace.run(parameters={"label": [["a"]]})


def test_notebooks_of_one_process_share_only_the_fork_server(workspace: Workspace):
    workspace.write("import os, builtins\nprint(os.getppid())\nprint(hasattr(builtins, 'left'))\nbuiltins.left = 1")
    printed = []
    for _ in range(2):
        workspace.run()
        printed.append(text(workspace.saved()["cells"][0]).split())
    assert printed[0] == printed[1]
    assert printed[0][1] == "False"


def test_secrets_of_the_project_are_hidden(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    (workspace.root / "pipeline.yaml").write_text("tasks: []\n")
    (workspace.root / "nbship.yaml").write_text("project: {secrets: [TOKEN]}\n")
    monkeypatch.setenv("TOKEN", "open-sesame")
    pieces = "import os\nfor part in (os.environ['TOKEN'][:4], os.environ['TOKEN'][4:] + '\\n'):"
    workspace.write(f"{pieces}\n    print(part, end='', flush=True)\nraise KeyError(os.environ['TOKEN'])")
    with (workspace.root / "log").open("w") as log, pytest.raises(PapermillExecutionError) as caught:
        workspace.run(stdout_file=log)
    assert "sesame" not in str(caught.value)
    assert "[TOKEN]" in (workspace.root / "log").read_text()
    assert not [path for path in workspace.root.iterdir() if path.is_file() and b"sesame" in path.read_bytes()]
    with pytest.raises(ParameterError, match="the secret 'TOKEN'"):
        workspace.run(parameters={"x": "open-sesame"})


@pytest.mark.parametrize(("secret", "shown"), [("", "True"), ("sesame-open", "False")])
def test_outputs_of_a_running_cell_are_saved_without_parts_of_a_secret(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, secret: str, shown: str
):
    (workspace.root / "pipeline.yaml").write_text("tasks: []\n")
    (workspace.root / "nbship.yaml").write_text("project: {secrets: [TOKEN]}\n")
    monkeypatch.setenv("TOKEN", secret)
    # The source itself holds neither of the two words.
    code = (
        "import pathlib, sys, time\nprint('sesa' 'me-', end='', flush=True)\nsaved = ''\n"
        "while 'wait' 'ing' not in saved:\n    print('wait' 'ing', file=sys.stderr)\n    time.sleep(0.01)\n"
        "    saved = pathlib.Path('nbship.ipynb').read_text()"
    )
    workspace.write(code, "'sesa' 'me-' in saved")
    with in_time():
        workspace.run(autosave_cell_every=0.001, execution_timeout=PATIENCE)
    assert text(workspace.saved()["cells"][1]) == shown


def test_a_run_that_is_interrupted_is_marked(workspace: Workspace):
    workspace.write("open('started', 'w')\nimport time\ntime.sleep(1000)", "print('never')")
    program = [str(Path(sys.executable).parent / "papermill"), "in.ipynb", "out.ipynb", "--engine", "nbship"]
    run = subprocess.Popen(program, cwd=workspace.root, env=dict(os.environ), stderr=subprocess.DEVNULL)
    wait_until(lambda: (workspace.root / "started").exists() or run.poll() is not None)
    assert run.poll() is None
    run.send_signal(2)
    assert run.wait(PATIENCE) != 0
    cells = json.loads((workspace.root / "out.ipynb").read_text())["cells"]
    assert [cell["metadata"]["papermill"]["status"] for cell in cells] == ["failed", "pending"]
    assert cells[0]["outputs"][-1]["ename"] == "KeyboardInterrupt"
