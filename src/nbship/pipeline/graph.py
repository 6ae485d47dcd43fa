"""The order of stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import CycleError, PipelineError, UnknownStageError
from ..text import did_you_mean, listed

__all__ = ["ancestors", "descendants", "suggest", "topological", "unknown_stage"]


def topological(upstream: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Order stages so that each comes after its upstreams; otherwise the given order is kept.

    Raises
    ------
    PipelineError
        If an upstream is not a stage.
    CycleError
        If stages depend on each other in a cycle.

    >>> topological({"train": ["prepare"], "prepare": [], "report": []})
    ('prepare', 'train', 'report')
    """
    order: list[str] = []
    for name in upstream:
        _visit(name, upstream, order=order, trail=())
    return tuple(order)


def _visit(name: str, upstream: Mapping[str, Iterable[str]], *, order: list[str], trail: tuple[str, ...]) -> None:
    if name in order:
        return
    if name in trail:
        cycle = " → ".join((*trail[trail.index(name) :], name))
        raise CycleError(f"Stages depend on each other in a cycle: {cycle}. Remove one of these upstreams.")
    for needed in upstream[name]:
        if needed not in upstream:
            raise PipelineError(
                f"Stage '{name}' has the upstream '{needed}', which is not a stage. {suggest(needed, upstream)}"
            )
        _visit(needed, upstream, order=order, trail=(*trail, name))
    order.append(name)


def ancestors(upstream: Mapping[str, Iterable[str]], name: str) -> tuple[str, ...]:
    """Return the direct and indirect upstreams of a stage, in the order of `upstream`.

    >>> ancestors({"a": [], "b": ["a"], "c": ["b"], "d": []}, "c")
    ('a', 'b')
    """
    found: set[str] = set()
    pending = list(upstream[name])
    while pending:
        stage = pending.pop()
        if stage not in found:
            found.add(stage)
            pending.extend(upstream[stage])
    return tuple(stage for stage in upstream if stage in found)


def descendants(upstream: Mapping[str, Iterable[str]], name: str) -> tuple[str, ...]:
    """Return the stages that depend on a stage, directly or indirectly, in the order of `upstream`.

    >>> descendants({"a": [], "b": ["a"], "c": ["b"], "d": []}, "a")
    ('b', 'c')
    """
    return tuple(stage for stage in upstream if name in ancestors(upstream, stage))


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a question with the nearest known name, or a list of the known names.

    >>> suggest("trian", ["train", "prepare"])
    "Did you mean 'train'?"
    >>> suggest("x", ["train", "prepare"])
    'Choose from: train, prepare.'
    """
    names = list(known)
    return did_you_mean(name, names, otherwise=f"Choose from: {listed(names)}." if names else "There is none.")


def unknown_stage(name: str, known: Iterable[str]) -> UnknownStageError:
    """Build the error for a stage that the pipeline does not have."""
    return UnknownStageError(f"The pipeline has no stage '{name}'. {suggest(name, known)}")
