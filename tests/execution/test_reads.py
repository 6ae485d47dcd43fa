"""What a stage reads inside the project without declaring it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest

from nbship.dvcstore.digests import Digests
from nbship.errors import StageError, UndeclaredImportError, UndeclaredReadError
from nbship.execution import reads
from nbship.execution.kernels import executor
from nbship.execution.kernels.client import ForkServer
from nbship.execution.stage import Inputs, run_stage
from nbship.notebook import PINNED
from nbship.pipeline.spec import Pipeline, Stage
from nbship.project import load

from .notebooks import notebook
from .two_stages import call, git, write_project

NATIVE = "This system does not report the files that libraries open by themselves"
PANDAS = "import pandas as pd\n"
# Cells that read `data/extra.*` from the folder `notebooks`. Some catch the error: the stage fails all the same.
READS = {
    "open": "open('../data/extra.csv').close()",
    "os.open": "import os\nos.close(os.open('../data/extra.csv', os.O_RDONLY))",
    "an absolute path": "from pathlib import Path\n(Path.cwd().parent / 'data/extra.csv').read_text()",
    "another working directory": "import os\nos.chdir('../data')\nopen('extra.csv').close()",
    "bytes": "open(b'../data/extra.csv').close()",
    "a link": "open('../link.csv').close()",
    "a link from outside": "import os, tempfile\nlink = tempfile.mkdtemp() + '/l'\nos.symlink(os.path.abspath('../data/extra.csv'), link)\nopen(link).close()",
    "a linked folder": "open('../elsewhere/far.csv').close()",
    "r+": "open('../data/extra.csv', 'r+').close()",
    "caught": f"{PANDAS}try:\n    pd.read_csv('../data/extra.csv')\nexcept Exception:\n    pass",
    "pandas": f"{PANDAS}pd.read_csv('../data/extra.csv')",
    "pandas, parquet": f"{PANDAS}pd.read_parquet('../data/extra.parquet')",
    "numpy": "import numpy as np\nnp.load('../data/extra.npy', mmap_mode='r')",
    "sqlite": "import sqlite3\nsqlite3.connect('../data/extra.db').execute('select * from t').fetchall()",
    "sqlite, by its address": "import sqlite3\nsqlite3.connect('file:../data/extra.db?mode=ro', uri=True)",
    "first read, then written": "text = open('../data/extra.csv').read()\nopen('../data/extra.csv', 'w').write(text)",
    "a thread": "import threading\nthread = threading.Thread(target=lambda: open('../data/extra.csv'))\nthread.start(); thread.join()",
    "a thread that outlives the notebook": (
        "import threading, time\ndef late():\n    time.sleep(0.5)\n    open('../data/extra.csv')\n"
        "threading.Thread(target=late).start()"
    ),
    "on exit": "import atexit\natexit.register(lambda: open('../data/extra.csv'))",
    "a fork": "import os\nif not (pid := os.fork()):\n    try:\n        open('../data/extra.csv')\n    finally:\n        os._exit(0)\nos.waitpid(pid, 0)",
    "multiprocessing": (
        "import multiprocessing, pathlib\nwith multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "    try:\n        pool.map(pathlib.Path.read_text, [pathlib.Path('../data/extra.csv')])\n    except Exception:\n        pass"
    ),
    "joblib": (
        "from joblib import Parallel, delayed\ndef size(path):\n    try:\n        return len(open(path).read())\n"
        "    except Exception as error:\n        return 0\n"
        "print(Parallel(n_jobs=2)(delayed(size)(path) for path in ['../data/extra.csv', '/etc/hostname']))"
    ),
    "another Python": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', \"open('../data/' + 'extra.csv')\"])",
    "a shell line": "!cat ../data/extra.csv",
    "a shell line with a pipe": "found = !sort <../data/extra.csv | head -n 1",
    "subprocess": "import subprocess\nsubprocess.run('head -c 1 data/extra.csv', shell=True, cwd='..')",
    "os.system": "import os\nos.system('wc -l ../data/extra.csv')",
    "parameters": "open('../params.yaml').close()",
    "the pipeline": "open('../pipeline.yaml').close()",
    "code as data": "exec(open('../src/colours/blue.py').read())",
    "another notebook": "open('other.ipynb').close()",
}
# These libraries do not call Python's `open`.
NATIVE_READS = {
    "pyarrow": "import pyarrow.parquet as pq\npq.read_table('../data/extra.parquet')",
    "pyarrow, CSV": "import pyarrow.csv\npyarrow.csv.read_csv('../data/extra.csv')",
    "pyarrow, mapped": "import pyarrow\npyarrow.memory_map('../data/extra.parquet').close()",
    "a folder of Parquet files": f"{PANDAS}pd.read_parquet('../data/parts')",
    "duckdb": "import duckdb\nduckdb.sql(\"from '../data/extra.csv'\").fetchall()",
    "C": "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.close(libc.open(b'../data/extra.csv', 0))",
}
ALLOWED = {
    "its own file": "open('../own.txt', 'w').write('a')\nopen('../own.txt').read()",
    "its own file, by Arrow": (
        f"{PANDAS}import pyarrow.parquet as pq\nframe = pd.DataFrame({{'a': [1]}})\nframe.to_parquet('../own.parquet')\n"
        "pq.read_table('../own.parquet'); pd.read_parquet('../own.parquet')"
    ),
    "its own copy of a declared file": "import shutil\nshutil.copy2('../data/numbers.json', '../own.json')\nopen('../own.json').read()",
    "its own database": (
        "import sqlite3\nwith sqlite3.connect('../own.db') as db:\n    db.execute('create table if not exists t (a)')\n"
        "sqlite3.connect('../own.db').execute('select * from t').fetchall()"
    ),
    "a moved file": "import os\nopen('../new.tmp', 'w').close()\nos.replace('../new.tmp', '../own.txt')\nopen('../own.txt').read()",
    "overwritten": "open('../data/extra.csv', 'w').write('a,b\\n1,2\\n')\nopen('../data/extra.csv').read()",
    "appended": "open('../data/extra.csv', 'a').close()",
    "a declared file": "open('../data/numbers.json').read()\n!cat ../data/numbers.json",
    "a declared folder": "import pyarrow.parquet as pq\nopen('../declared/a/b.csv').read()",
    "its product": "open('../products/sum.json', 'w').write('{}')\nopen('../products/sum.json').read()",
    "its notebook": "open('sum.ipynb').read()",
    "a missing file": "try:\n    open('../no.csv')\nexcept FileNotFoundError:\n    pass",
    "hidden files": "open('../.env').read()\nopen('../.cache/a.csv').read()",
    "a cache": "open('../mlruns/0/meta.yaml').read()",
    "a setting": "from nbship import notebook\nnotebook.open_stage('sum').settings('slices')",
    "temporary files": "import tempfile\nwith tempfile.TemporaryFile() as file:\n    file.write(b'a')\nopen('/etc/hostname').read()",
    "metadata of packages": "import importlib.metadata\nlist(importlib.metadata.entry_points())",
    "names of files": "import os\nos.listdir('../data'), os.stat('../data/extra.csv'), os.path.getsize('../data/extra.csv')",
}


def write_files(root: Path, outside: Path) -> None:
    texts = {
        "pipeline.yaml": "tasks: []\n",
        "params.yaml": "a: 1\n",
        "nbship.yaml": "project: {caches: [mlruns/]}\nslices: [hour]\n",
        "data/numbers.json": "[1]",
        "data/extra.csv": "a,b\n1,2\n",
        "declared/a/b.csv": "a\n",
        "mlruns/0/meta.yaml": "a: 1\n",
        "src/colours/__init__.py": "",
        "src/colours/red.py": "RED = 1\n",
        "src/colours/blue.py": "BLUE = 1\n",
        "src/own.egg-info/entry_points.txt": "[a]\n",
        "notebooks/sum.ipynb": "{}",
        "notebooks/other.ipynb": "{}",
        "products/other.csv": "a\n",
        ".env": "a=1\n",
        ".cache/a.csv": "a\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    pd.DataFrame({"a": [1]}).to_parquet(root / "data/extra.parquet")
    (root / "data/parts").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(root / "data/parts/one.parquet")
    np.save(root / "data/extra.npy", np.ones(3))
    with sqlite3.connect(root / "data/extra.db") as connection:
        connection.execute("create table t (a)")
    connection.close()
    (outside / "far.csv").write_text("a\n")
    (root / "elsewhere").symlink_to(outside)
    (root / "link.csv").symlink_to("data/extra.csv")


class Project:
    """A project with the stage `sum`, and a stage `other` that is not its upstream."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stage = Stage(
            name="sum",
            notebook=PurePosixPath("notebooks/sum.ipynb"),
            products={"nb": PurePosixPath("products/sum.ipynb"), "metrics": PurePosixPath("products/sum.json")},
            settings=("slices",),
        )
        other = Stage(
            name="other",
            notebook=PurePosixPath("notebooks/other.ipynb"),
            products={"nb": PurePosixPath("products/other.ipynb"), "data": PurePosixPath("products/other.csv")},
        )
        self.pipeline = Pipeline({"sum": self.stage, "other": other})

    def run(self, source: str, fork_server: ForkServer | None) -> None:
        copy = self.root / ".nbship/copy.ipynb"
        copy.parent.mkdir(exist_ok=True)
        write = "open('../products/sum.json', 'w').write('{}')"
        copy.write_text(json.dumps(notebook(source, "", write, parameters="upstream = None\nproduct = None")))
        files = ("data/numbers.json", "declared", "src/colours/__init__.py", "src/colours/red.py")
        run_stage(
            load(self.root),
            self.stage,
            pipeline=self.pipeline,
            inputs=Inputs(copy=copy, files=files, md5=Digests(self.root / ".nbship/digests.json").md5),
            environ=os.environ,
            fork_server=fork_server,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name in ("project", "outside"):
        (tmp_path / name).mkdir()
    write_files(tmp_path / "project", tmp_path / "outside")
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer.start(("pandas", "pyarrow.parquet", "duckdb"), env={**os.environ, **PINNED})
    yield server
    server.close()


def has_native_reads(root: Path) -> bool:
    return reads.watch_native_reads(str(root), allows=lambda _: False) is not None


@pytest.mark.parametrize("source", READS.values(), ids=READS)
def test_an_undeclared_read_fails_the_stage(project: Project, fork_server: ForkServer, source: str) -> None:
    with pytest.raises(
        UndeclaredReadError, match=r"Stage 'sum' reads '.*', which it does not declare\. Add '"
    ) as raised:
        project.run(source, fork_server)
    path = str(raised.value).split("'")[3]
    assert (project.root / path).is_file()
    assert Path(path).name in source or path == "elsewhere/far.csv"
    assert not list((project.root / "products").glob("sum.*"))


@pytest.mark.parametrize("source", NATIVE_READS.values(), ids=NATIVE_READS)
def test_a_library_that_opens_files_by_itself_is_watched(
    project: Project, fork_server: ForkServer, source: str
) -> None:
    if not has_native_reads(project.root):
        pytest.skip(NATIVE)
    with pytest.raises(UndeclaredReadError, match=r"Stage 'sum' reads 'data/(extra\.\w+|parts/one.parquet)'"):
        project.run(source, fork_server)


@pytest.mark.parametrize("source", ALLOWED.values(), ids=ALLOWED)
def test_what_is_no_input_may_be_read(project: Project, fork_server: ForkServer, source: str) -> None:
    project.run(source, fork_server)
    assert (project.root / "products/sum.json").is_file()


def test_a_declared_module_may_be_read(project: Project) -> None:
    project.run("import colours.red, inspect\nprint(inspect.getsource(colours.red))", None)
    assert (project.root / "products/sum.json").is_file()


def test_a_product_of_another_stage_needs_its_upstream(project: Project, fork_server: ForkServer) -> None:
    with pytest.raises(
        UndeclaredReadError, match=r"Add 'other' to `upstream` in the notebook, and read upstream\['oth"
    ):
        project.run("open('../products/other.csv')", fork_server)
    # Also one that the other stage writes at the same time.
    write = "import os, subprocess\nsubprocess.run(['touch', os.path.abspath('../products') + '/other.csv'])\n"
    with pytest.raises(UndeclaredReadError, match="Add 'other' to `upstream`"):
        project.run(f"{write}open('../products/other.csv')", fork_server)


@pytest.mark.parametrize("name", ["open", "caught", "a thread that outlives the notebook", "joblib", "a shell line"])
def test_an_ordinary_kernel_is_watched_as_well(project: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(executor, "can_fork", lambda: False)
    with pytest.raises(UndeclaredReadError, match=r"Stage 'sum' reads 'data/extra\.csv', which it does not declare"):
        project.run(READS[name], None)
    assert not list((project.root / "products").glob("sum.*"))


@pytest.mark.parametrize("forks", [True, False])
def test_a_module_that_a_thread_loads_at_the_end_is_found(
    project: Project, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    monkeypatch.setattr(executor, "can_fork", lambda: forks)
    late = "import threading, time\ndef late():\n    time.sleep(0.5)\n    __import__('colours.' + 'blue')\nthreading.Thread(target=late).start()"
    with pytest.raises(UndeclaredImportError, match=r"loaded the module 'colours\.blue', which dvc\.yaml does not"):
        project.run(late, None)


def test_a_module_that_was_removed_again_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    code = "import sys\n__import__('colours.' + 'blue')\ndel sys.modules['colours.blue']"
    with pytest.raises(UndeclaredReadError, match=r"reads 'src/colours/blue\.py'"):
        project.run(code, None)
    # Now Python reads the compiled file.
    assert list((project.root / "src/colours/__pycache__").glob("blue.*"))
    with pytest.raises(UndeclaredReadError, match=r"reads 'src/colours/blue\.py'"):
        project.run(code, None)


def test_a_kernel_that_does_not_report_its_reads_fails_the_stage(
    project: Project, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = executor.execute
    silent = lambda *args, **options: executor.Executed(  # noqa: E731
        **{**vars(execute(*args, **options)), "reads": None}
    )
    monkeypatch.setattr("nbship.execution.stage.execute", silent)
    with pytest.raises(StageError, match="ended without reporting its modules and files"):
        project.run("print(1)", fork_server)


def test_the_sitecustomize_of_the_environment_still_runs(project: Project, fork_server: ForkServer) -> None:
    (project.root / ".site").mkdir()
    (project.root / ".site/sitecustomize.py").write_text("import sys\nsys.custom = 'ran'\n")
    run = "import os, subprocess, sys\nos.environ['PYTHONPATH'] += os.pathsep + os.path.abspath('../.site')\n"
    project.run(
        f"{run}assert subprocess.check_output([sys.executable, '-c', 'import sys; print(sys.custom)']) == b'ran\\n'",
        fork_server,
    )


@pytest.mark.parametrize("command", [pytest.param(("nbship", "run"), marks=pytest.mark.long), ("dvc", "repro")])
def test_a_declared_file_runs_the_stage_when_it_changes(tmp_path: Path, command: tuple[str, str]) -> None:
    root = write_project(tmp_path / "project")
    (root / "my.csv").write_text("a\n1\n")
    path = root / "notebooks/10_load.ipynb"
    content = json.loads(path.read_text())
    content["cells"][-1]["source"] += "\nimport pandas as pd\nprint(len(pd.read_csv('../my.csv')))"
    path.write_text(json.dumps(content))
    assert call(root, "nbship", "sync").returncode == 0
    if command[0] == "dvc":
        git(root, "init", "-q")
        assert call(root, "dvc", "init", "-q").returncode == 0
    done = call(root, *command)
    remedy = "Add 'my: my.csv' to 'resources_' in the task's 'params' in pipeline.yaml."
    assert done.returncode != 0
    assert f"Stage 'load' reads 'my.csv', which it does not declare. {remedy}" in done.stderr
    pipeline = root / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("resources_: {", "resources_: {my: my.csv, "))
    assert call(root, "nbship", "sync").returncode == 0
    assert call(root, *command).returncode == 0
    (root / "my.csv").write_text("a\n1\n2\n")
    done = call(root, *command)
    assert done.returncode == 0, done.stderr
    assert "load" in done.stdout
    assert '"2\\n"' in (root / "products/10_load.ipynb").read_text()
