"""A damaged file whose digest was recomputed is rejected with an error of nbship, or changes no answer.

The digests in the manifest prove that files belong together, not that they are sound: a file that is damaged before
the manifest is made passes them.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import resource
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest

from nbship import acceptance
from nbship.cli import main
from nbship.errors import NbshipError, PackageError
from nbship.model.build import load_reference
from nbship.model.package import read_archive, read_manifest
from nbship.predictor import PackagePredictor, load_files

# Infinite values in an array may make NumPy warn.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
KINDS = ("tables", "nodes", "onnx", "sklearn", "code")
# The number of damages that each file of each kind of package meets, by default and with --full.
SAMPLE, FULL = 1, 400
Damages: TypeAlias = "Iterator[tuple[str, Callable[[], bytes]]]"
OTHER_JSON = (None, [], {}, [None], {"a": {"b": []}}, -1, 1e300, "", "text", True)


@pytest.fixture(scope="module")
def packages(
    small_package: Path, small_nodes: Path, small_onnx: Path, shop_package: Callable[[str], Path]
) -> Mapping[str, Mapping[str, bytes]]:
    """Return the files of one package of each kind."""
    made = {"tables": small_package, "nodes": small_nodes, "onnx": small_onnx, "code": shop_package("forest")}
    found = {kind: files_of(path) for kind, path in made.items()}
    return {**found, "sklearn": {name: data for name, data in found["tables"].items() if name != "tables.npz"}}


def files_of(package: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(package.rglob("*")) if path.is_file() and path.name != "MANIFEST.json"]
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in paths}


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """Return a manifest whose digests match the files."""
    listed = [
        {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for path, data in files.items()
    ]
    return json.dumps({"format": 1, "name": "small", "files": listed}).encode()


def loaded(files: Mapping[str, bytes]) -> PackagePredictor:
    """Verify and load a package that a manifest was made for."""
    return load_files(*read_archive(zipped({**files, "MANIFEST.json": manifest_of(files)}), where="here"))


def paths_of(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, inner in items:
        yield from paths_of(inner, (*path, key))


def damaged_json(content: bytes) -> Damages:
    """Yield the document with another value at each path, and without each key."""
    document = json.loads(content)
    for path in paths_of(document):
        for other in OTHER_JSON:
            yield f"{path} = {other!r}", partial(changed, document, path, other)
        if path:
            yield f"no {path}", partial(changed, document, path, KeyError)
    yield "nested", lambda: b"[" * 100_000 + b"]" * 100_000
    yield "a constant", lambda: b"NaN"


def changed(document: Any, path: tuple[Any, ...], other: Any) -> bytes:
    found = [copy.deepcopy(document)]
    inner: Any = found
    for key in (0, *path[:-1]) if path else ():
        inner = inner[key]
    if other is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1] if path else 0] = other
    return json.dumps(found[0]).encode()


def damaged_array(content: bytes) -> Damages:
    """Yield a `.npy` file with other types, shapes and values."""
    array = np.load(io.BytesIO(content), allow_pickle=True)
    if array.dtype.names or array.dtype.kind in "OV":
        return
    flat, number = array.reshape(-1), np.asarray(array, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        negative = (-1 - number).astype(array.dtype) if array.dtype.kind in "if" else array
    others = {
        "strings": array.astype(str), "complex": array.astype(complex), "float32": array.astype(np.float32),
        "int64": np.clip(np.nan_to_num(number), -9, 9).astype(np.int64), "shorter": array[:-1] if array.ndim else array,
        "longer": np.concatenate([array, array]) if array.ndim else array, "deeper": array[..., None], "scalar": flat[:1].reshape(()) if len(flat) else array,
        "flat": flat, "empty": flat[:0], "transposed": array.T, "negative": negative,
        "too large": np.full_like(array, 100 if array.dtype.itemsize == 1 else 30_000), "NaN": np.full(array.shape, np.nan),
        "infinite": np.full(array.shape, np.inf), "reversed": array[::-1] if array.ndim else array, "zero": np.zeros_like(array),
    }  # fmt: skip
    for name, other in others.items():
        yield name, partial(npy, other)
    for shape in ("(1000000000000,)", "(1000000, 1000000)", "(-1,)"):
        yield f"declares {shape}", partial(header, shape, array.dtype.str)
    yield "declares an object", partial(header, "(1,)", "|O")


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def header(shape: str, dtype: str) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(16)


def damaged_archive(content: bytes) -> Damages:
    """Yield a zip archive with each entry removed or damaged."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for name, entry in entries.items():
        yield f"no {name}", partial(zipped, {other: entries[other] for other in entries if other != name})
        for what, make in damaged_entry(name, entry):
            yield f"{name} {what}", lambda name=name, make=make: zipped({**entries, name: make()})


def damaged_entry(name: str, entry: bytes) -> Damages:
    yield "empty", lambda: b""
    yield "cut", lambda: entry[: len(entry) // 2]
    if name == "schema.json":
        yield from damaged_json(entry)
    elif name == "described.npy":
        for what, make in damaged_json(np.load(io.BytesIO(entry)).tobytes()):
            yield what, lambda make=make: npy(np.frombuffer(make(), dtype=np.uint8))
    elif name.endswith(".npy"):
        yield from damaged_array(entry)


def zipped(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(name, entry)
    return buffer.getvalue()


def damaged_table(content: bytes) -> Damages:
    """Yield a Parquet file without each column, with other values in it, and without rows."""
    frame = pd.read_parquet(io.BytesIO(content))
    others = {"no rows": frame.iloc[:0], "one row": frame.iloc[:1], "no columns": frame[[]]}
    for name in frame:
        others |= {
            f"no {name}": frame.drop(columns=name),
            f"{name} null": frame.assign(**{str(name): None}),
            f"{name} strings": frame.assign(**{str(name): "text"}),
            f"{name} numbers": frame.assign(**{str(name): -1.5}),
            f"{name} lists": frame.assign(**{str(name): [[1]] * len(frame)}),
            f"{name} timestamps": frame.assign(**{str(name): pd.Timestamp("2024-01-01")}),
        }
    yield from ((what, other.to_parquet) for what, other in others.items())


def damaged_graph(content: bytes) -> Damages:
    """Yield an ONNX graph with another description, other names of its inputs and outputs, and flipped bytes."""
    import onnx

    model = onnx.load_from_string(content)
    described = {each.key: each.value for each in model.metadata_props}

    def described_by(**properties: str) -> bytes:
        onnx.helper.set_model_props(model, properties)
        return bytes(model.SerializeToString())

    for what, make in damaged_json(described["model"].encode()):
        yield what, lambda make=make: described_by(model=make().decode())
    yield "no description", described_by
    for part in (b"scores", b"size", b"line", b"Gemm", b"Concat"):
        yield f"other name of {part!r}", partial(content.replace, part, part[::-1])
    yield from ((f"flip {seed}", partial(flipped, content, seed)) for seed in range(200))


def flipped(content: bytes, seed: int) -> bytes:
    found, rng = bytearray(content), random.Random(seed)
    found[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(found)


DAMAGES: Mapping[str, Callable[[bytes], Damages]] = {
    ".json": damaged_json,
    ".npz": damaged_archive,
    ".skops": damaged_archive,
    ".parquet": damaged_table,
    ".onnx": damaged_graph,
    ".py": lambda _: ((code, lambda code=code: code.encode()) for code in ("def", "1 / 0", "x = 1", "import nowhere")),
}


def damages(name: str, content: bytes) -> Damages:
    yield "empty", lambda: b""
    yield "cut", lambda: content[: len(content) // 2]
    yield "random", lambda: random.Random(0).randbytes(200)
    if content:
        yield from DAMAGES.get(Path(name).suffix, lambda _: iter(()))(content)


class Original:
    """The files of a sound package, its golden rows and their outputs."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        golden = pd.read_parquet(io.BytesIO(files["golden.parquet"])).iloc[::10]
        self.rows = golden[[name for name in golden if not name.startswith("output:")]]
        self.outputs = answers(loaded(files), self.rows)

    def problem(self, name: str, content: bytes) -> str:
        """Return what goes wrong with other content of a file; empty if it is rejected or harmless."""
        try:
            return self._problem({**self.files, name: content})
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def _problem(self, files: Mapping[str, bytes]) -> str:
        try:
            damaged = loaded(files)
        except PackageError as error:
            return "" if is_one_sentence(str(error)) else f"not a sentence: {error}"
        package = damaged.package
        for show in (
            lambda: package.card,
            lambda: package.example,
            lambda: package.baseline,
            lambda: references(files),
        ):
            with suppress(PackageError):
                show()
        given = None
        with suppress(NbshipError):
            damaged.predict_records(self.rows.to_dict("records"))
            given = answers(damaged, self.rows)
        try:
            list(acceptance.accept(damaged, acceptance.golden_of(damaged)))
        except NbshipError:
            return ""
        return "" if given in (None, self.outputs) else "other outputs, and accepted"


def answers(package: PackagePredictor, rows: pd.DataFrame) -> Mapping[str, list[Any]]:
    return {name: values.tolist() for name, values in package.predict(rows).columns().items()}


def references(files: Mapping[str, bytes]) -> object:
    return load_reference(files["reference.parquet"])


def is_one_sentence(message: str) -> bool:
    return "\n" not in message and 20 < len(message) < 600 and message[-1] in ".?"


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_is_a_traceback_or_goes_unnoticed(
    packages: Mapping[str, Mapping[str, bytes]], kind: str, full: bool
) -> None:
    original = Original(packages[kind])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problems = []
    for name, content in original.files.items():
        # The other backends do not read the estimator.
        if name == "model.skops" and kind != "sklearn":
            continue
        found = list(damages(name, content))
        for what, make in random.Random(name).sample(found, min(len(found), FULL if full else SAMPLE)):
            if problem := original.problem(name, make()):
                problems.append(f"{name} {what}: {problem}")
    assert problems == []
    # A file that declares terabytes takes none.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20


@pytest.mark.parametrize(
    "name", ["signature.json", "provenance.json", "lookups.json", "tables.npz", "lookups/lines.npz"]
)
def test_every_value_of_every_description_is_checked(
    packages: Mapping[str, Mapping[str, bytes]], name: str, full: bool
) -> None:
    files = packages["tables"]
    found = list(damages(name, files[name]))
    for _, make in random.Random(0).sample(found, len(found) if full else min(len(found), 100)):
        assert is_one_sentence(rejection({**files, name: make()}) or "It is read, and predicts.")


def rejection(files: Mapping[str, bytes]) -> str:
    """Return the error with which a package does not load or predict; any but nbship's own is a failure."""
    try:
        package = load_files(read_manifest(manifest_of(files)), files)
        package.predict_records([package.package.example])
    except NbshipError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["signature.json", "tables.npz", "golden.parquet"])
def test_the_command_names_the_damaged_file(
    packages: Mapping[str, Mapping[str, bytes]], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {**packages["tables"], name: packages["tables"][name][:300]}
    (tmp_path / "package.zip").write_bytes(zipped({**files, "MANIFEST.json": manifest_of(files)}))
    with pytest.raises(SystemExit, match=r"^1$"):
        main(["verify", str(tmp_path / "package.zip")])
    printed = capsys.readouterr()
    assert f"'{name}' cannot be read" in printed.err
    assert "Traceback" not in printed.err + printed.out
