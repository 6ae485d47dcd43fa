"""Open a stage in its notebook."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic_write import write_whole
from ..errors import StageError
from ..project import Project, find_root, load
from ..run_records import MEASUREMENTS, RUNS, RunRecord, append_line, read_records
from .declared import covers, setting_of
from .environment import pin
from .origin import Context, Origin, find_origin
from .paths import Paths, relative, remove_links
from .results import canonical_json, plot_records

if TYPE_CHECKING:
    from ..model.package import Provenance
    from ..pipeline import Pipeline, Stage

__all__ = ["OpenStage", "open_stage"]


@dataclass(frozen=True)
class OpenStage:
    """The files, parameters and settings of a notebook's stage.

    Attributes
    ----------
    name
        The stage's name in `pipeline.yaml`.
    origin
        Who runs the notebook. By hand, products are written to `.nbship/scratch/`.
    upstream
        Products of the upstream stages: `stage.upstream["prepare"]["data"]` is a path.
    product
        Where this stage's products go: `stage.product["model"]` is a path whose folder exists.
    resources
        Outside files: `stage.resources["prices"]` is a path.
    params
        The stage's parameters, as the parameters cell holds them.
    """

    name: str
    origin: Origin
    upstream: Mapping[str, Mapping[str, Path]]
    product: Mapping[str, Path]
    resources: Mapping[str, Path]
    params: Mapping[str, Any]
    _root: Path = field(repr=False)
    _settings: tuple[str, ...] = field(repr=False, default=())

    def settings(self, key: str) -> Any:
        """Return a setting of `nbship.yaml`, such as `"slices"` or `"monitoring.min_rows"`, or its default.

        Write the key as a literal string: nbship reads it from the notebook's source, and runs the stage again
        when the value changes.

        Raises
        ------
        StageError
            If the stage does not declare the key, or there is no such setting.
        """
        if self.origin is Origin.PIPELINE and not covers(self._settings, key):
            raise StageError(
                f"Stage '{self.name}' reads the setting '{key}', which dvc.yaml does not declare. Write the key literally, as in `stage.settings(\"{key}\")`, and run `nbship sync`."
            )
        with _own_reads():
            return setting_of(load(self._root), key)

    def metrics(self, values: Mapping[str, Any], *, key: str = "metrics") -> Path:
        """Write metrics as the JSON product `key`; `dvc metrics` shows nested mappings with dotted names."""
        return self.write_json(key, values)

    def plot(self, name: str, records: object) -> Path:
        """Write the points of a plot, each `{"x": …, "y": …}` with an optional `"series"`, as the product `plot_<name>`."""
        return self.write_json(f"plot_{name}", plot_records(records))

    def write_json(self, key: str, content: object) -> Path:
        """Write content as the JSON product `key`: sorted keys, exact floats, no NaN."""
        path = self.product[key]
        write_whole(path, canonical_json(content), durable=True)
        return path

    def history(self, stage: str) -> list[RunRecord]:
        """Return the run records of a stage on this machine, the oldest first: time and memory, which no product holds."""
        with _own_reads():
            return [each for each in read_records(load(self._root).state / RUNS) if each.stage == stage]

    def log_measurements(self, measurements: Iterable[Mapping[str, Any]]) -> None:
        """Append what was measured on this machine, such as latencies, to `measurements.jsonl` in the state folder.

        Products hold only what follows from the inputs, so that the same inputs give the same bytes.
        """
        line = {"stage": self.name, "time": datetime.now(UTC).isoformat(), "measurements": list(measurements)}
        with _own_reads():
            append_line(load(self._root).state / MEASUREMENTS, line)

    def provenance(self) -> Provenance:
        """Return the provenance of the stage and those before it: parameters, and digests of data, notebooks, code and lock."""
        from ..pipeline import provenance_inputs

        # With an import statement, every stage would depend on the libraries that models need.
        kind: type[Provenance] = import_module("..model.package.provenance", __package__).Provenance
        with _own_reads():
            project = load(self._root)
            pipeline = _pipeline(project)
            return kind(**provenance_inputs(project, pipeline, pipeline[self.name]))


@contextmanager
def _own_reads() -> Iterator[None]:
    """Tell the kernel that nbship reads files here: what it reads of them are inputs of their own."""
    sys.audit("nbship.own_reads", True)
    try:
        yield
    finally:
        sys.audit("nbship.own_reads", False)


def open_stage(
    name: str,
    *,
    upstream: object = None,
    product: object = None,
    resources: object = None,
    namespace: Mapping[str, Any] | None = None,
) -> OpenStage:
    """Open the stage of the calling notebook.

    In the pipeline and under bare Ploomber the products are the tracked ones. By hand (JupyterLab
    with or without Ploomber's extension, VS Code, `jupyter execute`) the notebook reads the
    pipeline's last products and writes to `.nbship/scratch/<stage>/`.

    Parameters
    ----------
    name
        The stage's name in `pipeline.yaml`.
    upstream, product, resources
        Values of the parameters cell (default: the notebook's variables `upstream`, `product` and `resources_`).
    namespace
        The notebook's variables (default: the caller's).

    Raises
    ------
    UnknownStageError
        If `pipeline.yaml` has no such stage.
    StageError
        If the pipeline runs another stage than `name`.
    """
    variables = sys._getframe(1).f_globals if namespace is None else namespace
    given = {
        "upstream": variables.get("upstream") if upstream is None else upstream,
        "product": variables.get("product") if product is None else product,
        "resources": variables.get("resources_") if resources is None else resources,
    }
    context = Context.read(os.environ)
    if context is not None and find_origin(name, variables, product=given["product"]) is Origin.PIPELINE:
        return _from_cell(name, Origin.PIPELINE, context, given, variables)
    project = load(find_root())
    pipeline = _pipeline(project)
    spec = pipeline[name]
    origin = find_origin(name, variables, product=given["product"], notebook=spec.notebook.name)
    pin()
    _prefer_source(project)
    if origin is Origin.PLOOMBER:
        opened = _from_cell(
            name, origin, Context(name, project.root, tuple(spec.params), spec.settings), given, variables
        )
        remove_links(opened.product.values())
        return opened
    return _by_hand(project, pipeline, spec, variables)


def _from_cell(
    name: str, origin: Origin, context: Context, given: Mapping[str, Any], variables: Mapping[str, Any]
) -> OpenStage:
    upstream = given["upstream"] if isinstance(given["upstream"], Mapping) else {}
    return OpenStage(
        name=name,
        origin=origin,
        upstream=Paths(
            {stage: Paths.read(paths, kind=f"product of stage '{stage}'") for stage, paths in upstream.items()},
            kind="upstream stage",
        ),
        product=Paths.read(given["product"], kind="product", create_folders=True),
        resources=Paths.read(_tracked(given["resources"]), kind="resource", root=context.root),
        params={key: variables[key] for key in context.params if key in variables},
        _root=context.root,
        _settings=context.settings,
    )


def _tracked(resources: object) -> object:
    """Return resources with what `.dvc` files track: bare Ploomber gives the path as pipeline.yaml has it."""
    from ..project import tracked_path

    return (
        {key: tracked_path(Path(path)) for key, path in resources.items()}
        if isinstance(resources, Mapping)
        else resources
    )


def _by_hand(project: Project, pipeline: Pipeline, spec: Stage, variables: Mapping[str, Any]) -> OpenStage:
    upstream = {
        stage: Paths(
            {key: relative(project.root / path) for key, path in pipeline[stage].data_products.items()},
            kind=f"product of stage '{stage}'",
            remedy=f"Run `nbship run {stage}` first.",
        )
        for stage in spec.upstream
    }
    return OpenStage(
        name=spec.name,
        origin=Origin.HAND,
        upstream=Paths(upstream, kind="upstream stage"),
        product=Paths(_scratch(project, spec), kind="product", create_folders=True),
        resources=Paths(
            {key: relative(project.root / path, root=project.root) for key, path in spec.resources.items()},
            kind="resource",
            remedy="Get it with `dvc pull`, or with the project's install step.",
        ),
        params={key: variables.get(key, value) for key, value in spec.params.items()},
        _root=project.root,
        _settings=spec.settings,
    )


def _scratch(project: Project, spec: Stage) -> dict[str, Path]:
    folder = project.scratch / spec.name
    names = Counter(path.name for path in spec.products.values())
    return {
        key: relative(folder / path.name if names[path.name] == 1 else folder / key / path.name)
        for key, path in spec.products.items()
    }


def _prefer_source(project: Project) -> None:
    # An editable install may point at another checkout of the project.
    source = str(project.source)
    if project.source.is_dir() and source not in sys.path[:1]:
        sys.path.insert(0, source)


def _pipeline(project: Project) -> Pipeline:
    from ..pipeline import read_pipeline

    return read_pipeline(project)
