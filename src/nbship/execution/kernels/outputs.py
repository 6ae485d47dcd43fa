"""What a kernel says, as outputs of a notebook's cells: merged, updated, cleared, and within limits.

Whichever way a notebook is executed, its messages come through here, so that its outputs are the same.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .widgets import Widgets

__all__ = ["Outputs"]

_CARRIAGE_RETURN = re.compile(r".*\r(?=[^\n])")
_BACKSPACE = re.compile(r"[^\n]\x08")
# Characters of printed text, and of everything else, that a cell and a notebook may hold.
_TEXT_CELL, _TEXT_ALL = 1_000_000, 4_000_000
_RICH_CELL, _RICH_ALL = 10_000_000, 25_000_000
_OUTPUTS, _MESSAGE, _LINE = 1_000, 10_000, 50_000
_WIDGETS = "application/vnd.jupyter.widget-state+json"


class Outputs:
    """The outputs of a notebook's cells, one cell after the other.

    Text that comes between two other outputs is one output for each stream, standard output first: in which
    order two streams were flushed is chance. Progress bars that rewrite their line leave its last state.

    Parameters
    ----------
    cells
        The notebook's cells; those that are begun get new outputs.
    on_text
        Called with the stream and the text that comes.
    """

    def __init__(
        self, cells: Sequence[dict[str, Any]] = (), *, on_text: Callable[[str, str], None] | None = None
    ) -> None:
        self._cells, self._on_text = cells, on_text
        self._cell: dict[str, Any] = {}
        self._kept = _Kept(0)
        self._text: dict[str, _Text] = {}
        self._text_left, self._rich_left = _TEXT_ALL, _RICH_ALL
        self._allowed = 0
        self._clear = False
        self._displays: dict[str, list[dict[str, Any]]] = {}
        self._widgets = Widgets()

    def begin(self, index: int) -> None:
        """Make a cell the one that outputs belong to."""
        self._cell = self._cells[index]
        self._cell["outputs"] = []
        self._cell["execution_count"] = None
        # Half of what is left, so that a flood in one cell leaves room for the next.
        self._allowed = min(_TEXT_CELL, self._text_left // 2)
        self._kept = _Kept(min(_RICH_CELL, self._rich_left // 2))
        self._clear = False

    def end(self, execution_count: int | None) -> None:
        """Finish the cell."""
        self._flush()
        self._cell["execution_count"] = execution_count
        self._cell["outputs"] = self._kept.outputs()
        self._rich_left -= self._kept.size

    def text(self, stream: str, text: str) -> None:
        """Take text of `stdout` or `stderr`."""
        if not text:
            return
        if self._on_text:
            self._on_text(stream, text)
        if widget := self._widgets.open:
            widget.text(stream, text)
        else:
            self._clear_if_due()
            self._text.setdefault(stream, _Text(self._allowed)).add(text)

    def message(self, kind: str, content: Mapping[str, Any], *, buffers: Sequence[bytes] = ()) -> None:
        """Take a message of the kernel's output channel.

        Parameters
        ----------
        kind
            Its type, such as `display_data`; types that are no output are passed over.
        """
        if kind.startswith("comm"):
            self._flush()
            self._widgets.message(kind, content, buffers)
        elif kind == "stream":
            self.text(content["name"], content["text"])
        elif kind == "clear_output":
            self._clear_output(wait=bool(content.get("wait")))
        elif kind in ("display_data", "execute_result", "update_display_data", "error"):
            self._flush()
            self._output(kind, content)

    def take_replies(self) -> list[dict[str, Any]]:
        """Return what widgets send back to the kernel, once: the contents of `comm_msg` messages."""
        return self._widgets.take_replies()

    def mark(self, *, ename: str, evalue: str, traceback: Sequence[str] = ()) -> None:
        """Say in the cell how it ended, in the shape of an error."""
        self._flush()
        trace = [*traceback, f"{ename}: {evalue}"]
        self._kept.add({"output_type": "error", "ename": ename, "evalue": evalue, "traceback": trace}, always=True)

    def take_error(self) -> dict[str, Any] | None:
        """Take back the error that came last, if one did."""
        self._flush()
        return self._kept.take_error()

    def widget_state(self) -> dict[str, Any]:
        """Return what the notebook's metadata say about widgets; empty if there are none."""
        state = self._widgets.state()
        return {_WIDGETS: {"state": state, "version_major": 2, "version_minor": 0}} if state else {}

    def _output(self, kind: str, content: Mapping[str, Any]) -> None:
        name = (content.get("transient") or {}).get("display_id")
        if name and kind != "error":
            for shown in self._displays.get(name, ()):
                shown["data"], shown["metadata"] = content["data"], content["metadata"]
        if kind == "update_display_data":
            return
        output = _output(kind, content)
        if widget := self._widgets.open:
            widget.output(output)
            return
        self._clear_if_due()
        self._kept.add(output)
        if name:
            self._displays.setdefault(name, []).append(output)

    def _clear_output(self, *, wait: bool) -> None:
        self._flush()
        if widget := self._widgets.open:
            widget.clear(wait=wait)
        elif wait:
            self._clear = True
        else:
            self._kept.clear()

    def _clear_if_due(self) -> None:
        if self._clear:
            self._clear = False
            self._kept.clear()

    def _flush(self) -> None:
        for stream in ("stdout", "stderr"):
            if text := self._text.pop(stream, None):
                self._text_left -= text.size
                self._allowed = max(0, self._allowed - text.size)
                self._kept.add({"output_type": "stream", "name": stream, "text": _settle(str(text))}, free=True)


class _Text:
    """Printed text: its head and its tail, where the whole is too long."""

    def __init__(self, allowed: int) -> None:
        self._half = max(1_000, allowed // 2)
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._in_head = self._in_tail = self._cut = 0

    @property
    def size(self) -> int:
        return self._in_head + self._in_tail

    def add(self, text: str) -> None:
        if (room := self._half - self._in_head) > 0:
            self._head.append(text[:room])
            self._in_head += len(text[:room])
            text = text[room:]
        if text:
            self._tail.append(text[-self._half :])
            self._cut += len(text) - len(self._tail[-1])
            self._in_tail += len(self._tail[-1])
            while self._in_tail - len(self._tail[0]) >= self._half:
                self._in_tail -= len(self._tail[0])
                self._cut += len(self._tail.popleft())

    def __str__(self) -> str:
        tail = "".join(self._tail)
        cut = self._cut + max(0, len(tail) - self._half)
        note = f"\n[nbship cut {cut:,} characters of output here]\n" if cut else ""
        return "".join(self._head) + note + tail[-self._half :]


class _Kept:
    """A cell's outputs: the first and the last, where there are too many."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self.clear()

    def clear(self) -> None:
        self._first: list[dict[str, Any]] = []
        self._last: deque[dict[str, Any]] = deque()
        self._cut = self.size = 0

    def add(self, output: dict[str, Any], *, free: bool = False, always: bool = False) -> None:
        size = 0 if free or always else _size(output)
        if size > self._allowed - self.size and output["output_type"] != "error":
            note = f"[nbship cut an output of {size:,} characters here: the notebook would be too large]"
            output["data"], output["metadata"] = {"text/plain": note}, {}
            size = len(note)
        self.size += size
        if len(self._first) < _OUTPUTS // 2:
            self._first.append(output)
            return
        self._last.append(output)
        if len(self._last) > _OUTPUTS // 2:
            self._last.popleft()
            self._cut += 1

    def take_error(self) -> dict[str, Any] | None:
        held = self._last or self._first
        return held.pop() if held and held[-1]["output_type"] == "error" else None

    def outputs(self) -> list[dict[str, Any]]:
        note = {"output_type": "stream", "name": "stderr", "text": f"[nbship cut {self._cut:,} outputs here]\n"}
        return [*self._first, *([note] if self._cut else []), *self._last]


def _output(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "error":
        trace = [line[:_LINE] for line in content["traceback"][:200]]
        evalue = content["evalue"][:_MESSAGE]
        return {"output_type": "error", "ename": content["ename"], "evalue": evalue, "traceback": trace}
    output = {"output_type": kind, "metadata": dict(content["metadata"] or {}), "data": dict(content["data"])}
    if kind == "execute_result":
        output["execution_count"] = content["execution_count"]
    return output


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 8


def _settle(text: str) -> str:
    """Do what a terminal does with backspaces and returns."""
    if "\x08" in text:
        before = ""
        while before != text:
            before, text = text, _BACKSPACE.sub("", text)
    return _CARRIAGE_RETURN.sub("", text) if "\r" in text else text
