"""A pipeline and its stages, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from ..project import Value
from .graph import unknown_stage
from .inspection import PYTHON

__all__ = ["COPIES_STAGE", "Pipeline", "Stage"]

# The stage in dvc.yaml that copies the notebooks; no task may have its name.
COPIES_STAGE = "notebooks"


@dataclass(frozen=True)
class Stage:
    """One notebook of the pipeline; all paths are relative to the project's root.

    Attributes
    ----------
    params
        Typed values of the parameters, as passed to the kernel.
    param_keys
        The keys of `params.yaml` that the parameters come from: parameter -> dotted keys.
    templates
        The parameters in `pipeline.yaml`, with unresolved placeholders.
    resources
        Files that the notebook reads and no stage writes (`params: resources_`); those outside the project may be
        absolute.
    products
        Files that the notebook writes. Some keys have a meaning: `nb` and `html` (the executed notebook), `metrics…`,
        `plot_…`, `package`; others are data.
    notebook_keys
        Keys of the products that are the executed notebook, as notebook or HTML.
    upstream
        The stages whose products this one reads.
    settings
        The keys of `nbship.yaml` that the notebook reads.
    possible_paths
        Strings in the notebook's cells that could be paths.
    language
        The language of the notebook.
    """

    name: str
    notebook: PurePosixPath
    params: Mapping[str, Value] = field(default_factory=dict)
    param_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    templates: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, PurePosixPath] = field(default_factory=dict)
    products: Mapping[str, PurePosixPath] = field(default_factory=dict)
    notebook_keys: tuple[str, ...] = ("nb",)
    upstream: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    possible_paths: tuple[str, ...] = ()
    language: str = PYTHON

    @property
    def is_python(self) -> bool:
        """Whether nbship reads the notebook's imports, parameters and upstream from its code."""
        return self.language == PYTHON

    @property
    def data_products(self) -> Mapping[str, PurePosixPath]:
        """The products that later stages can read: all except the executed notebook and plots."""
        return {
            key: path
            for key, path in self.products.items()
            if key not in self.notebook_keys and not key.startswith("plot_")
        }

    @property
    def package(self) -> PurePosixPath | None:
        """The folder of the model package, for the stage that builds it."""
        return self.products.get("package")


@dataclass(frozen=True)
class Pipeline:
    """All stages, each after its upstreams."""

    stages: Mapping[str, Stage]

    @cached_property
    def notebooks(self) -> tuple[PurePosixPath, ...]:
        """The notebooks of the stages, in order, without duplicates."""
        return tuple(dict.fromkeys(stage.notebook for stage in self.stages.values()))

    def __getitem__(self, name: str) -> Stage:
        """Return a stage.

        Raises
        ------
        UnknownStageError
            If there is no stage of this name; a similar name is suggested.
        """
        if name not in self.stages:
            raise unknown_stage(name, self.stages)
        return self.stages[name]
