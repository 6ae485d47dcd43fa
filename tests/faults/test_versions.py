"""A package loads with the library versions it was built with, and with others only if its golden rows pass."""

from __future__ import annotations

import io
import json
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from families import fitted, make_rows, make_signature

from nbship import acceptance, predictor
from nbship.cli.predict import command as predict
from nbship.cli.verify import command as verify
from nbship.errors import AcceptanceError, VersionMismatchError
from nbship.model import Provenance, build_package
from nbship.model.package import loaded
from nbship.model.package.manifest import MANIFEST, make_manifest, read_files

PACKAGES = {
    "tables": "boosting",
    "nodes": "forest, grown",
    "onnx": "calibrated support vectors",
    "sklearn": "neighbours",
}
GUARDED = {
    "tables": ("python", "numpy"),
    "nodes": ("python", "numpy"),
    "onnx": ("python", "numpy", "onnxruntime"),
    "sklearn": ("python", "numpy", "scikit-learn", "skops"),
}
CASES = [(path, library, step) for path, libraries in GUARDED.items() for library in libraries for step in (-1, 1)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One package for each backend: lookup tables, ONNX Runtime and scikit-learn."""
    folder, rows = tmp_path_factory.mktemp("packages"), make_rows()
    for path, family in PACKAGES.items():
        build_package(
            folder / path, name=path, estimator=fitted(family), signature=make_signature(), golden=rows.head(600), reference=rows,
            provenance=Provenance(),
        )  # fmt: skip
    return {path: folder / path for path in PACKAGES}


def changed_minor(version: str, step: int) -> str:
    """Return a version with the minor number changed by `step`."""
    major, minor = version.split(".")[:2]
    return f"{major}.{int(minor) + step}" if int(minor) + step >= 0 else f"{int(major) - 1}.9"


def rebuild(package: Path, target: Path, *, library: str = "python", step: int = 1, wrong: bool = False) -> Path:
    """Copy a package as if it had been built with another version; `wrong`: with different golden outputs."""
    _, files = read_files(package)
    provenance = json.loads(files["provenance.json"])
    here = f"{sys.version_info.major}.{sys.version_info.minor}" if library == "python" else metadata.version(library)
    provenance["libraries"][library] = changed_minor(here, step)
    files["provenance.json"] = json.dumps(provenance).encode()
    if wrong:
        golden = pd.read_parquet(io.BytesIO(files["golden.parquet"]))
        golden.loc[
            17, next(name for name in ("output:probability", "output:value", "output:score") if name in golden)
        ] += 1e-5
        files["golden.parquet"] = golden.to_parquet()
    for name, content in {**files, MANIFEST: make_manifest("rebuild", files)}.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    return target


@pytest.mark.parametrize(("path", "library", "step"), CASES)
def test_another_minor_version_is_rejected_with_a_remedy(
    packages, path: str, library: str, step: int, tmp_path: Path
) -> None:
    other = rebuild(packages[path], tmp_path / "p", library=library, step=step)
    with pytest.raises(VersionMismatchError, match=f"was built with {library} .* is installed.*--other-versions"):
        predictor.load(other)
    proven = acceptance.load_proven(*predictor.read_package(other))
    assert proven.backend == path
    assert len(proven.predict(make_rows(5, seed=9))) == 5


def test_other_versions_with_different_outputs_are_rejected(packages, tmp_path: Path) -> None:
    for path, package in packages.items():
        with pytest.raises(AcceptanceError, match=r"predicts another (probability|value) for its golden rows"):
            acceptance.load_proven(*predictor.read_package(rebuild(package, tmp_path / path, wrong=True)))


def test_a_loader_without_the_version_check_would_be_caught(
    packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded, "_check_versions", lambda *args, **options: None)
    for path, library, step in CASES:
        other = rebuild(packages[path], tmp_path / f"{path} {library} {step}", library=library, step=step)
        assert predictor.load(other).backend == path


def test_commands_accept_the_override(packages, tmp_path: Path) -> None:
    other = rebuild(packages["tables"], tmp_path / "p")
    printed = CliRunner().invoke(verify, [str(other), "--other-versions"], catch_exceptions=False).stdout
    assert "600 rows get the same label and probability, within 1e-12" in printed
    make_rows(20, seed=2).to_parquet(tmp_path / "rows.parquet")
    arguments = [str(tmp_path / "rows.parquet"), str(tmp_path / "out.parquet"), "--package", str(other)]
    with pytest.raises(VersionMismatchError):
        CliRunner().invoke(predict, arguments, catch_exceptions=False, env={"NBSHIP_STATE": str(tmp_path)})
    result = CliRunner().invoke(predict, [*arguments, "--other-versions"], catch_exceptions=False, env={"NBSHIP_STATE": str(tmp_path)})  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 20
