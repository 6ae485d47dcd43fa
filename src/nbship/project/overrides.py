"""Set values in `params.yaml` from the command line: one value's text changes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from ..errors import ParamsError
from ..file_locks import changing
from ..text import similar
from .params import Value, read_params, type_problem

__all__ = ["set_params"]


def set_params(path: Path, assignments: Sequence[str]) -> None:
    """Write `key=value` assignments, such as `train.max_iter=200`, to `params.yaml`.

    Comments, order and spelling of the rest are kept. All assignments are made or none.

    Raises
    ------
    ParamsError
        For a key that the file does not have, a value of another type, a value that its readers would take
        differently, and a list or mapping that is written over several lines.
    """
    if not assignments:
        return
    with changing(path) as path:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for assignment in assignments:
            key, separator, value = assignment.partition("=")
            if not separator or not key.strip() or not value.strip():
                raise ParamsError(f"'{assignment}' is not an assignment. Write 'stage.parameter=value'.")
            text = _set(text, key.strip(), value.strip())
        write_whole(path, text, durable=True)


def _set(text: str, key: str, value: str) -> str:
    before = _read(text)
    if key not in _leaves(before):
        raise ParamsError(f"'params.yaml' has no parameter '{key}'. {_hint(key, _leaves(before))}")
    start, end = _place(text, key)
    if isinstance(_leaves(before)[key], float) and value.lstrip("+-").isdecimal():
        value += ".0"
    edited = text[:start] + value + text[end:]
    after = _leaves(_read(edited))
    if {**_leaves(before), key: after.get(key)} != after:
        raise ParamsError(f"'{value}' is more than one value for '{key}'. Put text with special characters in quotes.")
    if problem := type_problem(after[key], _leaves(before)[key], exact=True):
        raise ParamsError(
            f"'{value}' for '{key}' is {problem}. To change the type of a parameter, edit params.yaml and the parameters cell."
        )
    return edited


def _read(text: str) -> Mapping[str, Value]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="nbship-") as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(text, encoding="utf-8")
        return read_params(path)


def _leaves(params: Mapping[str, Value], *, trail: str = "") -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in params.items():
        if isinstance(value, dict) and value:
            found |= _leaves(value, trail=f"{trail}{key}.")
        else:
            found[f"{trail}{key}"] = value
    return found


def _hint(key: str, known: Mapping[str, Value]) -> str:
    if any(name.startswith(f"{key}.") for name in known):
        return f"It is a block; name one of its values, such as '{next(name for name in known if name.startswith(f'{key}.'))}'."
    near = similar(key, known, most=3)
    near = near or [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]][:3]
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return "Add it there first, and to the task's 'params' in pipeline.yaml."


def _place(text: str, key: str) -> tuple[int, int]:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import CollectionNode

    for name, node in _nodes(YAML(typ="rt", pure=True).compose(text)):
        if name == key:
            if isinstance(node, CollectionNode) and not node.flow_style:
                raise ParamsError(f"'{key}' is a list over several lines. Edit it in params.yaml.")
            return node.start_mark.index, node.end_mark.index
    raise ParamsError(f"'{key}' is given by an alias. Edit it in params.yaml.")


def _nodes(node: Any, trail: str = "") -> Iterator[tuple[str, Any]]:
    from ruamel.yaml.nodes import MappingNode

    for key, value in node.value:
        yield f"{trail}{key.value}", value
        if isinstance(value, MappingNode):
            yield from _nodes(value, f"{trail}{key.value}.")
