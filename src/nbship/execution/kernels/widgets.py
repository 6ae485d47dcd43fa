"""The state of a notebook's widgets, as a front end would know it: what their static view is made from."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Widgets"]

# Characters and outputs that one `Output` widget may hold; it keeps the first.
_TEXT, _OUTPUTS = 1_000_000, 1_000


class Widgets:
    """The state of widgets, and which `Output` widget is open: what a front end would know."""

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
            self._turn(self._outputs[name], opened=bool(state["msg_id"]))

    def take_replies(self) -> list[dict[str, Any]]:
        replies = []
        for name, widget in self._outputs.items():
            if widget.changed:
                widget.changed = False
                data = {"method": "update", "state": {"outputs": widget.outputs}, "buffer_paths": []}
                replies.append({"comm_id": name, "data": data})
        return replies

    def _turn(self, widget: _OutputWidget, *, opened: bool) -> None:
        if opened:
            self._stack.append(widget)
        elif widget in self._stack:
            self._stack.remove(widget)

    def state(self) -> dict[str, Any]:
        return {name: self._described(name, state) for name, state in self._states.items() if "_model_name" in state}

    def _described(self, name: str, state: Mapping[str, Any]) -> dict[str, Any]:
        described = {
            "model_name": state.get("_model_name"),
            "model_module": state.get("_model_module"),
            "model_module_version": state.get("_model_module_version"),
            "state": state,
        }
        if name in self._outputs and self._outputs[name].outputs:
            described["state"] = {**state, "outputs": self._outputs[name].outputs}
        if name in self._buffers:
            described["buffers"] = list(self._buffers[name].values())
        return described


class _OutputWidget:
    """An `Output` widget: what is shown inside it is its state."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.changed = self._clear = False
        self._left = _TEXT

    def text(self, stream: str, text: str) -> None:
        self._clear_if_due()
        if self._left <= 0:
            return
        self._left -= len(text)
        if self._left < 0:
            text = f"{text[: self._left + len(text)]}\n[nbship cut what was printed here beyond {_TEXT:,} characters]\n"
        last = self.outputs[-1] if self.outputs else {}
        if last.get("name") == stream:
            last["text"] += text
        else:
            self.outputs.append({"output_type": "stream", "name": stream, "text": text})

    def output(self, output: dict[str, Any]) -> None:
        self._clear_if_due()
        if len(self.outputs) < _OUTPUTS:
            self.outputs.append(output)

    def clear(self, *, wait: bool) -> None:
        self.changed, self._clear = True, True
        if not wait:
            self._clear_if_due()

    def _clear_if_due(self) -> None:
        self.changed = True
        if self._clear:
            self._clear, self._left = False, _TEXT
            self.outputs.clear()
