"""No file of a package runs foreign code when it is read: hostile pickles, arrays, skops files and ONNX graphs.

Each would create a marker file if it ran. The manifest's digests match the hostile files, so only the readers stop them.
"""

from __future__ import annotations

import builtins
import importlib
import io
import json
import operator
import os
import pickle
import runpy
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nbship import acceptance, predictor
from nbship.errors import PackageError
from nbship.model.backends import skops_file as reader
from nbship.model.backends.skops_file import dump_estimator
from nbship.model.package.manifest import make_manifest, read_files, read_manifest


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def calls(mark: Path) -> Iterator[tuple[str, Call]]:
    """Yield calls that create the marker file."""
    touch, code = f"touch {mark}", f"open({str(mark)!r}, 'w').close()"
    script = mark.with_name("script.py")
    script.write_text(code)
    yield "os.system", Call(os.system, touch)
    yield "os.popen", Call(os.popen, touch)
    yield "subprocess.run", Call(subprocess.run, ["touch", str(mark)])
    yield "subprocess.Popen", Call(subprocess.Popen, ["touch", str(mark)])
    yield "subprocess.getoutput", Call(subprocess.getoutput, touch)
    yield "eval", Call(eval, code)
    yield "exec", Call(exec, code)
    yield "open", Call(open, str(mark), "w")
    yield "runpy", Call(runpy.run_path, str(script))
    yield "os.mkdir", Call(os.mkdir, str(mark))
    yield "copy", Call(shutil.copy, str(script), str(mark))
    yield "partial", Call(partial(os.system, touch))


def pickles(mark: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield a name, the file to replace, and its bytes."""
    for name, call in calls(mark):
        for protocol in (0, 2, 5):
            yield f"pickle {name} {protocol}", "model.skops", pickle.dumps(call, protocol=protocol)
        array = io.BytesIO()
        np.save(array, np.array([call], dtype=object), allow_pickle=True)
        tables = io.BytesIO()
        with zipfile.ZipFile(tables, "w") as archive:
            archive.writestr("described.npy", array.getvalue())
        yield f"array {name}", "tables.npz", tables.getvalue()
        yield f"array of nodes {name}", "nodes.npz", tables.getvalue()
        yield f"pickled graph {name}", "model.onnx", pickle.dumps(call)


def estimators() -> Iterator[tuple[str, str, bytes]]:
    """Yield skops files with functions that a server must not load."""
    functions = [
        os.system, os.popen, os.remove, subprocess.run, subprocess.check_output, shutil.rmtree, importlib.import_module, runpy.run_module,
        io.open_code, pickle.loads, operator.methodcaller, builtins.exec, builtins.eval, builtins.compile, builtins.getattr,
    ]  # fmt: skip
    for function in functions:
        name = f"{function.__module__}.{function.__name__}"
        yield f"skops {name}", "model.skops", dump_estimator(FunctionTransformer(function))
        nested = make_pipeline(FunctionTransformer(partial(function, "x")), FunctionTransformer())
        yield f"skops partial {name}", "model.skops", dump_estimator(nested)


def graphs() -> Iterator[tuple[str, str, bytes]]:
    """Yield ONNX graphs that refer to outside files, operators or functions."""
    for location in ("/etc/hostname", "../../etc/hostname", "MANIFEST.json", ""):
        yield f"graph with numbers in {location!r}", "model.onnx", graph(outside=location)
    for domain, operator_type in (("ai.onnx.contrib", "PyOp"), ("com.evil", "Run"), ("org.pytorch.aten", "ATen")):
        yield f"graph with {domain}.{operator_type}", "model.onnx", graph(operator=(domain, operator_type))
    for function in ("os:system", "subprocess:run", "builtins:exec", "nbship.cli:main"):
        yield f"graph behind {function}", "model.onnx", graph(function=function)
    yield "graph without metadata", "model.onnx", graph(function=None, silent=True)
    yield "half a graph", "model.onnx", graph()[:100]


def graph(
    *, outside: str | None = None, operator: tuple[str, str] = ("", "Add"), function: str | None = None, silent: bool = False
) -> bytes:  # fmt: skip
    number = TensorProto(
        name="c", data_type=TensorProto.DOUBLE, dims=[1], double_data=[] if outside is not None else [1.0]
    )
    if outside is not None:
        number.data_location = TensorProto.EXTERNAL
        number.external_data.add(key="location", value=outside)
    inputs = [helper.make_tensor_value_info("length", TensorProto.DOUBLE, ["rows", 1])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, ["rows", 1])]
    node = helper.make_node(operator[1], ["length", "c"], ["scores"], domain=operator[0])
    opsets = [helper.make_opsetid("", 21), *([helper.make_opsetid(operator[0], 1)] if operator[0] else [])]
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs, initializer=[number]), opset_imports=opsets, ir_version=10
    )
    if not silent:
        about = {"classes": None, "function": function, "probabilistic": False}
        helper.set_model_props(model, {"model": json.dumps(about)})
    return bytes(model.SerializeToString())


def load_with(files: dict[str, bytes], changed: str, content: bytes) -> None:
    """Load a package with one file replaced and a matching manifest; then prove it and predict."""
    files = {**files, changed: content}
    if changed != "tables.npz":
        files.pop("tables.npz", None)
    manifest = read_manifest(make_manifest("small", files))
    loaded = predictor.load_files(manifest, files)
    list(acceptance.accept(loaded, acceptance.golden_of(loaded)))


def test_sixty_hostile_files_run_nothing(small_package: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hostile = [*pickles(mark), *estimators(), *graphs()]
    assert len(hostile) >= 60
    _, files = read_files(small_package)
    accepted = []
    for name, changed, content in hostile:
        try:
            load_with(files, changed, content)
            accepted.append(name)
        except PackageError:
            pass
        assert not mark.exists(), name
    assert accepted == []


@pytest.mark.parametrize("function_name", ["os.system", "eval", "exec", "os.mkdir", "copy", "partial"])
def test_a_reader_of_pickles_would_be_caught(
    function_name: str, small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    monkeypatch.setattr("nbship.model.backends.sklearn.load_estimator_bytes", lambda data, **_: pickle.loads(data))
    _, files = read_files(small_package)
    _, changed, content = next(each for each in pickles(mark) if each[0].startswith(f"pickle {function_name} "))
    with pytest.raises(Exception):  # noqa: B017, PT011 (using an object that is not an estimator may raise anything)
        load_with(files, changed, content)
    assert mark.exists()


def test_a_reader_that_trusts_every_type_would_be_caught(small_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_allowed", lambda types, **_: list(types))
    _, content = next((name, content) for name, _, content in estimators())
    assert isinstance(reader.load_estimator_bytes(content), BaseEstimator)
