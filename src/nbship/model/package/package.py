"""The description of a packaged model: id, signature, provenance, card and example record."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from ...errors import CorruptPackageError
from ..signature import Signature, example_record
from ..stored_files import read_json, reading
from .manifest import GOLDEN_OUTPUT, Manifest
from .provenance import Provenance

__all__ = ["Acceptance", "ModelId", "Package", "file_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelId:
    """The id of a model.

    Attributes
    ----------
    name
        Name of the model.
    version
        The first 12 hex digits of `digest`.
    digest
        sha256 of the package's manifest, which identifies the package by content.
    tag
        The version in the registry, such as `v1.2.0`, if the package was named by it.
    """

    name: str
    version: str
    digest: str
    tag: str = ""


@dataclass(frozen=True)
class Acceptance:
    """What `acceptance.json` holds about a model.

    Attributes
    ----------
    example
        A golden row as a client sends it, without optional fields; older packages have none.
    metrics
        Metric -> value on held-out rows.
    tables, nodes, onnx
        Why the model has not this faster backend, if it was tried.
    verdict
        The verdict of the gate; empty if no gate judged the model.
    """

    example: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    tables: str | None = None
    nodes: str | None = None
    onnx: str | None = None
    verdict: Mapping[str, Any] | None = None


class Package:
    """The verified files of a package, and the descriptions in them. `PackagedModel` predicts.

    Attributes
    ----------
    manifest
        The files and their digests.
    files
        Path -> bytes.
    id
        Name, version and digest of the model.
    signature, provenance
        The model's inputs and outputs, and the data, code and parameters that it was built from.
    """

    def __init__(self, manifest: Manifest, files: Mapping[str, bytes], *, tag: str = "") -> None:
        self.manifest, self.files = manifest, files
        self.id = ModelId(manifest.name, manifest.version, manifest.digest, tag)
        self.signature = Signature.from_json(_json(files, "signature.json", dict[str, Any]))

    @cached_property
    def provenance(self) -> Provenance:
        """The data, code and parameters that the model was built from."""
        return _json(self.files, "provenance.json", Provenance)

    @cached_property
    def acceptance(self) -> Acceptance:
        """The tests of the model when it was built."""
        return _json(self.files, "acceptance.json", Acceptance) if "acceptance.json" in self.files else Acceptance()

    @cached_property
    def card(self) -> str:
        """The model card, as Markdown."""
        with reading("MODEL_CARD.md"):
            return file_of(self.files, "MODEL_CARD.md").decode()

    @cached_property
    def example(self) -> dict[str, Any]:
        """A golden row as a client sends it, without optional fields."""
        # Older packages have no example in acceptance.json. Their golden rows have one, but need pyarrow.
        if (found := self.acceptance.example) is not None:
            return {name: found[name] for name in self.signature.names if name in found}
        return example_record(_golden(self.files, list(self.signature.names)), self.signature)

    @cached_property
    def baseline(self) -> float | None:
        """The mean probability of the positive class over the golden rows; None for models without a positive class."""
        output = self.signature.output("probability")
        if output is None or output.positive is None:
            return None
        name = f"{GOLDEN_OUTPUT}probability"
        with reading("golden.parquet"):
            values: list[float] = [row[name] for row in _golden(self.files, [name])]
            return sum(values) / len(values)


def file_of(files: Mapping[str, bytes], path: str) -> bytes:
    """Return a file of the package.

    Raises
    ------
    CorruptPackageError
        If the package does not have it.
    """
    if path not in files:
        raise CorruptPackageError(f"The package has no '{path}'. Build it again.")
    return files[path]


def _json(files: Mapping[str, bytes], path: str, kind: type[T]) -> T:
    return read_json(file_of(files, path), kind, path=path)


def _golden(files: Mapping[str, bytes], columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    content = file_of(files, "golden.parquet")
    with reading("golden.parquet"):
        present = set(pq.read_schema(io.BytesIO(content)).names)
        columns = [name for name in columns if name in present]
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content), columns=columns).to_pylist()
    if not rows:
        raise CorruptPackageError("'golden.parquet' of the package has no rows. Build it again.")
    return rows
