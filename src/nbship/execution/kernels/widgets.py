"""The state of a notebook's widgets, tracked like a front end does; static views are rendered from it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Widgets"]

# Limits of one `Output` widget, in characters and outputs; anything beyond is dropped.
_MAX_TEXT, _MAX_OUTPUTS = 1_000_000, 1_000


class Widgets:
    """The state of all widgets, and the `Output` widget that is open."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Any]] = {}
        self._buffers: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._outputs: dict[str, _OutputWidget] = {}
        self._stack: list[_OutputWidget] = []

    @property
    def open(self) -> _OutputWidget | None:
        return self._stack[-1] if self._stack else None

    def message(self, kind: str, content: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        name, data = content["comm_id"], content.get("data") or {}
        if "state" not in data:
            return
        state = data["state"]
        self._states.setdefault(name, {}).update(state)
        for path, buffer in zip(data.get("buffer_paths") or (), buffers, strict=False):
            encoded = {"data": base64.b64encode(buffer).decode(), "encoding": "base64", "path": path}
            self._buffers.setdefault(name, {})[tuple(path)] = encoded
        if kind == "comm_open" and state.get("_model_name") == "OutputModel":
            self._outputs[name] = _OutputWidget()
        elif kind == "comm_msg" and "msg_id" in state and name in self._outputs:
            self._set_open(self._outputs[name], opened=bool(state["msg_id"]))

    def take_replies(self) -> list[dict[str, Any]]:
        replies = []
        for name, widget in self._outputs.items():
            if widget.changed:
                widget.changed = False
                data = {"method": "update", "state": {"outputs": widget.outputs}, "buffer_paths": []}
                replies.append({"comm_id": name, "data": data})
        return replies

    def _set_open(self, widget: _OutputWidget, *, opened: bool) -> None:
        if opened:
            self._stack.append(widget)
        elif widget in self._stack:
            self._stack.remove(widget)

    def state(self) -> dict[str, Any]:
        return {name: self._describe(name, state) for name, state in self._states.items() if "_model_name" in state}

    def _describe(self, name: str, state: Mapping[str, Any]) -> dict[str, Any]:
        description = {
            "model_name": state.get("_model_name"),
            "model_module": state.get("_model_module"),
            "model_module_version": state.get("_model_module_version"),
            "state": state,
        }
        if name in self._outputs and self._outputs[name].outputs:
            description["state"] = {**state, "outputs": self._outputs[name].outputs}
        if name in self._buffers:
            description["buffers"] = list(self._buffers[name].values())
        return description


class _OutputWidget:
    """An `Output` widget; the outputs inside it are its state."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.changed = self._clear_due = False
        self._remaining = _MAX_TEXT

    def text(self, stream: str, text: str) -> None:
        self._clear_if_due()
        if self._remaining <= 0:
            return
        self._remaining -= len(text)
        if self._remaining < 0:
            text = f"{text[: self._remaining + len(text)]}\n[nbship cut the text here after {_MAX_TEXT:,} characters]\n"
        last = self.outputs[-1] if self.outputs else {}
        if last.get("name") == stream:
            last["text"] += text
        else:
            self.outputs.append({"output_type": "stream", "name": stream, "text": text})

    def output(self, output: dict[str, Any]) -> None:
        self._clear_if_due()
        if len(self.outputs) < _MAX_OUTPUTS:
            self.outputs.append(output)

    def clear(self, *, wait: bool) -> None:
        self.changed, self._clear_due = True, True
        if not wait:
            self._clear_if_due()

    def _clear_if_due(self) -> None:
        self.changed = True
        if self._clear_due:
            self._clear_due, self._remaining = False, _MAX_TEXT
            self.outputs.clear()
