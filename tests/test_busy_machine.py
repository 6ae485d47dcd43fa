"""No test fails because the machine is busy: tests count work and wait for events, and never compare times."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import PATIENCE

TESTS = Path(__file__).parent
CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "thread_time", "timeit", "repeat", "elapsed"}
CLOCKS |= {f"{name}_ns" for name in CLOCKS}
WAITING = {"wait", "join", "result", "wait_for", "wait_procs", "wait_until", "timeout", "communicate"}
# Functions that may compare times, and why.
TIMED = {
    ("waiting.py", "wait_until"): "the generous bound of all tests",
    ("waiting.py", "in_time"): "the generous bound of all tests",
}
# Files that may sleep, and why.
PAUSES = {
    "waiting.py": "the pause between two checks",
    "faults/test_crashes.py": "kills at random times",
    "faults/test_forgetting_beside_writers.py": "kills at random times",
    "faults/test_killed_fetches.py": "kills at random times",
    "faults/test_schedules.py": "kills at random times",
    "registry/test_two_at_once.py": "kills at random times",
    "inference/test_release_file.py": "kills at random times",
    "inference/test_canary_watch.py": "a slow model is slow",
    "fast_scheduler.py": "a job that takes some time",
    "faults/memory.py": "samples memory",
    "faults/test_long_batches.py": "kills at several times",
    "faults/test_power_loss.py": "cuts the power at several times",
    "faults/test_acknowledged.py": "kills at several times",
    "data/test_sources_over_http.py": "a slow server is slow",
    "faults/test_hostile_clients.py": "slow clients are slow",
    "faults/test_endless_clients.py": "slow clients are slow",
    "pipeline/test_snapshot.py": "checks recent files and older ones, with one result",
    "execution/test_stage.py": "simulates a busy machine",
}
# Functions that may wait for less than a minute, and why.
SHORT = {
    ("faults/test_honest_notebooks.py", "_watch"): "samples memory",
    ("execution/papermill/test_engine.py", "test_a_cell_that_takes_too_long_is_marked"): "tests this limit",
}


def found_in(source: str, *, name: str = "test.py") -> Iterator[str]:
    """Yield the problems of a test file: lines that fail on a busy machine."""
    tree = ast.parse(source)
    for function in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
        where = function.name if isinstance(function, ast.FunctionDef) else ""
        own = list(_within(function))
        measured = _measured_names(own)
        for node in own:
            at = f"{name}:{getattr(node, 'lineno', 0)}"
            if (name, where) not in TIMED and _compares(node, measured):
                yield f"{at} compares a measured time. Count work, or use `waiting.wait_until` or `waiting.in_time`."
            if name not in PAUSES and _sleeps(node):
                yield f"{at} sleeps. Wait for the event with `waiting.wait_until`."
            if (name, where) not in SHORT and (seconds := _limit(node)) is not None and seconds < PATIENCE:
                yield f"{at} waits for only {seconds} s. Use `waiting.PATIENCE`."


def _within(function: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function, without those of named functions within it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _within(child)


def _name_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_measured(node: ast.AST, measured: set[str]) -> bool:
    """Return whether an expression reads a clock."""
    return any(
        (
            isinstance(each, ast.Call)
            and _name_of(each.func) in CLOCKS
            and not (each.args and isinstance(each.args[0], ast.Constant))
        )
        or (isinstance(each, ast.Attribute) and each.attr == "elapsed")
        or (isinstance(each, ast.Name) and each.id in measured)
        for each in ast.walk(node)
    )


def _measured_names(nodes: list[ast.AST]) -> set[str]:
    """Return the names of variables computed from clocks."""
    measured: set[str] = set()
    before = -1
    while before != len(measured):
        before = len(measured)
        for node in nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value:
                if _is_measured(node.value, measured):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    measured |= {
                        each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)
                    }
            elif _appends(node) and any(_is_measured(each, measured) for each in node.args):
                measured.add(_name_of(node.func.value))
    return measured


def _appends(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append"


def _compares(node: ast.AST, measured: set[str]) -> bool:
    order = ast.Lt | ast.LtE | ast.Gt | ast.GtE
    return (
        isinstance(node, ast.Compare)
        and any(isinstance(each, order) for each in node.ops)
        and any(_is_measured(each, measured) for each in (node.left, *node.comparators))
    )


def _sleeps(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or _name_of(node.func) != "sleep":
        return False
    return not isinstance(node.func, ast.Attribute) or _name_of(node.func.value) == "time"


def _limit(node: ast.AST) -> float | None:
    """Return the number of seconds after which a call gives up."""
    if not isinstance(node, ast.Call):
        return None
    given = [each.value for each in node.keywords if each.arg and each.arg.endswith("timeout")]
    if _name_of(node.func) in WAITING:
        given += [*node.args[:1], *(each.value for each in node.keywords)]
    numbers = [each.value for each in given if isinstance(each, ast.Constant)]
    return next((each for each in numbers if type(each) in (int, float)), None)


def test_no_test_depends_on_speed() -> None:
    files = {path.relative_to(TESTS).as_posix(): path.read_text() for path in sorted(TESTS.rglob("*.py"))}
    assert [problem for name, source in files.items() for problem in found_in(source, name=name)] == []


@pytest.mark.parametrize(
    "line",
    [
        "began = time.monotonic(); run(); assert time.monotonic() - began < 5",
        "began = perf_counter(); took = perf_counter() - began; assert took <= 1",
        "assert 0.2 > min(timeit.repeat(run, number=100, repeat=5)) / 100",
        "taken = []; taken.append(time.time() - began); assert sum(taken) / len(taken) < 0.1",
        "assert client.get(url).elapsed.total_seconds() < 1",
        "end = time.monotonic() + 5\nwhile time.monotonic() < end: look()",
        "def test():\n    start()\n    time.sleep(0.3)\n    assert ended()",
        "process.wait(10)",
        "process.communicate(timeout=15)",
        "wait_until(ended, seconds=2)",
    ],
)
def test_lines_that_depend_on_speed_are_found(line: str) -> None:
    assert list(found_in(line))


@pytest.mark.parametrize(
    "line",
    [
        "assert calls < 60",
        "with in_time(): run()",
        "wait_until(lambda: ended())",
        "process.wait(PATIENCE)",
        "assert datetime.time(1) < other",
        "','.join(names)",
    ],
)
def test_other_lines_are_allowed(line: str) -> None:
    assert not list(found_in(line))


def test_every_exception_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for exceptions in (TIMED, PAUSES, SHORT):
        for each in list(exceptions):
            name = each if isinstance(each, str) else each[0]
            with monkeypatch.context() as patch:
                patch.delitem(exceptions, each)
                assert list(found_in((TESTS / name).read_text(), name=name)), each
