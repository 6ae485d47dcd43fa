"""Generated parameters arrive in the kernel with their value and type, or are rejected before it starts; none runs as code."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import json
import keyword
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import papermill
import pytest
import yaml
from click.testing import CliRunner
from execution.notebooks import notebook, text
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from papermill.cli import papermill as command

from nbship.errors import ParameterError
from nbship.execution.kernels.client import ForkServer
from nbship.execution.kernels.executor import execute
from nbship.execution.parameter_values import check_name, check_value
from nbship.execution.parameters import prepare
from nbship.notebook import PINNED
from nbship.pipeline.spec import Pipeline, Stage

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.timeout(1800),
]

# Runs here and in the kernel: describes a value with the types of all its parts.
DESCRIBE = """
def describe(value):
    if isinstance(value, dict):
        return [type(value).__name__, [[describe(key), describe(inner)] for key, inner in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [describe(inner) for inner in value]]
    return [type(value).__name__, ascii(value)]
"""
HOSTILE = (
    "open('ran', 'w')\ny", "x\nopen('ran', 'w')\ny", "x=open('ran','w');y", "x; open('ran', 'w')", "open('ran','w')", "x #", "%run", "!touch ran",
    "'); open('ran', 'w'); ('", '"; open("ran", "w"); "', "\\", "\\'", '"""', "'''", "{x}", "{{x}}", "%time", "x?",
    "\r\nopen('ran', 'w')", "\x0copen('ran', 'w')", "\u2028open('ran', 'w')", "\x00", "\\N{BULLET}", "$HOME", "`touch ran`",
    "yes", "017", "1:30", "null", "~", "0x10", "1_000", "1e3", ".5", "nan", "-inf", "2013-01-01", "=", "<<", "!!python/object",
)  # fmt: skip


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30) | st.sampled_from(HOSTILE) | st.builds("{}{}".format, st.text(max_size=5), st.sampled_from(HOSTILE)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(HOSTILE), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
foreign = st.sampled_from([
    np.int64(5), np.int8(1), np.float64(1.5), np.float32(0.1), np.bool_(False), np.str_("x"), np.array([1]), np.datetime64("2013-01-01"),
    float("nan"), float("inf"), -float("inf"), datetime.date(2013, 1, 1), datetime.datetime(2013, 1, 1), datetime.time(1),
    decimal.Decimal("1.10"), Path("a/b"), b"bytes", bytearray(b"x"), {1, 2}, frozenset([1]), (), (1, 2), 1 + 2j, Colour.RED,
    Text("x"), "\ud800", "a\udfff", {1: 2}, {None: 1}, {True: 1}, {(1,): 2}, {"\ud800": 1}, range(3), 10**5000, object(), print, ...,
])  # fmt: skip


def mostly(common: st.SearchStrategy[Any], *rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda n: common if n < 7 else st.one_of(*rare))


values = mostly(plain, foreign, foreign.map(lambda inner: [inner]), foreign.map(lambda inner: {"k": inner}))
# Names that the probe uses, and names of files in a pipeline, are tested elsewhere.
names = mostly(
    st.from_regex(r"[a-z]{1,2}[A-Z_0-9]{0,6}", fullmatch=True),
    st.from_regex(r"\w{1,8}", fullmatch=True),
    st.text(max_size=8),
    st.sampled_from([*HOSTILE, "class", "lambda", "None", "_", "__", "_i", "_1", "In", "Out", "__builtins__", "__debug__"]),
    st.sampled_from(["get_ipython", "ﬁ", "é", "e\u0301", "K", "match"]),
)  # fmt: skip
batches = st.lists(st.tuples(names, values), min_size=40, max_size=40)


@dataclass
class Tally:
    """Counts of parameters by outcome."""

    arrived: int = 0
    rejected: int = 0
    wrong: list[tuple[str, Any]] = field(default_factory=list)
    executed: list[Any] = field(default_factory=list)


def probe(params: Mapping[str, Any]) -> str:
    pairs = ", ".join(f"({name!a}, globals().get({name!a}, ...))" for name in params)
    return f"{DESCRIBE}\nimport json as _own\nfor _name, _value in [{pairs}]:\n    print(_own.dumps([_name, describe(_value)]))"


def describe_here(value: Any) -> Any:
    space: dict[str, Any] = {}
    exec(DESCRIBE, space)
    return space["describe"](value)


def count_arrivals(params: Mapping[str, Any], cell: Any, tally: Tally) -> None:
    arrived_values = dict(json.loads(line) for line in text(cell).splitlines() if line.startswith("["))
    for name, value in params.items():
        if arrived_values.get(name) == describe_here(value):
            tally.arrived += 1
        else:
            tally.wrong.append((name, value))


class Pipelines:
    """Passes parameters to a stage of a pipeline."""

    def __init__(self, folder: Path, fork_server: ForkServer) -> None:
        self.folder, self.fork_server = folder, fork_server

    def one(self, name: str, value: Any) -> None:
        self._prepare({name: value})

    def many(self, params: Mapping[str, Any], tally: Tally) -> None:
        executed = execute(
            self._prepare(params), cwd=self.folder, env={**os.environ, **PINNED}, fork_server=self.fork_server
        )
        count_arrivals(params, executed.notebook["cells"][-1], tally)

    def _prepare(self, params: Mapping[str, Any]) -> dict[str, Any]:
        declared = [
            name for name in params if name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
        ]
        cell = "\n".join(["# parameters", *(f"{name} = 0" for name in declared)])
        stage = Stage(name="s", notebook=PurePosixPath("s.ipynb"), params=dict(params), products={}, notebook_keys=())
        return prepare(notebook(probe(params), parameters=cell), pipeline=Pipeline({"s": stage}), stage=stage)


class Papermill:
    """Passes parameters through papermill's API."""

    engine: str | None = "nbship"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def one(self, name: str, value: Any) -> None:
        self._run({name: value}, "print(1)")

    def many(self, params: Mapping[str, Any], tally: Tally) -> None:
        count_arrivals(params, self._run(params, probe(params)), tally)

    def _run(self, params: Mapping[str, Any], code: str) -> Any:
        source, target = self.folder / "in.ipynb", self.folder / "out.ipynb"
        content = notebook(code, parameters="# parameters")
        content["metadata"]["language_info"] = {"name": "python"}
        source.write_text(json.dumps(content))
        target.unlink(missing_ok=True)
        with contextlib.suppress(papermill.PapermillExecutionError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.execute(source, target, params)
        return json.loads(target.read_text(), object_hook=_joined)["cells"][-1]

    def execute(self, source: Path, target: Path, params: Mapping[str, Any]) -> None:
        papermill.execute_notebook(
            source, target, parameters=dict(params), engine_name=self.engine, progress_bar=False, cwd=self.folder
        )


class PapermillYaml(Papermill):
    """Passes parameters through `papermill -y`."""

    def execute(self, source: Path, target: Path, params: Mapping[str, Any]) -> None:
        written = yaml.safe_dump(dict(params), sort_keys=False)
        assert yaml.safe_load(written) == params
        options = ["--engine", "nbship", "--no-progress-bar", "--log-level", "ERROR", "--cwd", str(self.folder)]
        done = CliRunner().invoke(command, [str(source), str(target), *options, "-y", written])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception


def _joined(node: dict[str, Any]) -> dict[str, Any]:
    return {**node, "text": "".join(node["text"])} if isinstance(node.get("text"), list) else node


def is_accepted(name: str, value: Any) -> bool:
    try:
        check_name(name)
        check_value(name, value)
    except ParameterError:
        return False
    return True


def pass_batch(interface: Any, batch: list[tuple[str, Any]], tally: Tally) -> None:
    """Pass all acceptable parameters together, and each of the others alone."""
    accepted: dict[str, Any] = {}
    for name, value in batch:
        if is_accepted(name, value):
            accepted[name] = value
            continue
        try:
            interface.one(name, value)
        except (ParameterError, ValueError):  # papermill itself rejects integers with thousands of digits
            tally.rejected += 1
        else:
            tally.wrong.append((name, value))
    if accepted:
        interface.many(accepted, tally)
    if (interface.folder / "ran").exists():
        (interface.folder / "ran").unlink()
        tally.executed.append(batch)


def pass_batches(interface: Any, *, batches_of: st.SearchStrategy[list[tuple[str, Any]]], count: int) -> Tally:
    tally = Tally()
    healthy = [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.filter_too_much,
    ]

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        suppress_health_check=healthy,
        database=None,
        verbosity=Verbosity.quiet,
    )
    @given(batches_of)
    def each(batch: list[tuple[str, Any]]) -> None:
        pass_batch(interface, batch, tally)

    each()
    return tally


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer.start((), env={**os.environ, **PINNED}) as fork_server:
        yield fork_server


@pytest.mark.parametrize("kind", [Pipelines, Papermill, PapermillYaml], ids=lambda kind: kind.__name__)
def test_parameters_arrive_unchanged_or_are_rejected(kind: Any, tmp_path: Path, fork_server: ForkServer, full: bool):
    interface = kind(tmp_path, fork_server) if kind is Pipelines else kind(tmp_path)
    passed = st.lists(st.tuples(names, plain), min_size=40, max_size=40) if kind is PapermillYaml else batches
    tally = pass_batches(interface, batches_of=passed, count=100 if full else 8)
    assert tally.wrong == []
    assert tally.executed == []
    assert tally.arrived > (1_000 if full else 50)
    assert tally.rejected > (300 if full else 10)


def test_papermill_alone_would_be_caught(tmp_path: Path):
    class Alone(Papermill):
        engine = None

    tally = Tally()
    pass_batch(Alone(tmp_path), [("a", {1: 2}), ("b", (1, 2)), ("open('ran', 'w')\ny", 1)], tally)
    assert len(tally.wrong) == 3
    assert len(tally.executed) == 1


def test_a_pipeline_that_accepts_any_value_would_be_caught(
    tmp_path: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nbship.execution.parameters.check_value", lambda name, value: None)
    tally = pass_batches(Pipelines(tmp_path, fork_server), batches_of=batches, count=3)
    assert tally.wrong
