"""Turn a kernel's messages into the outputs of cells: merged, updated, cleared, and within limits.

Forked and ordinary kernels both go through this module, so their outputs are the same.
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
# Limits of a cell and of a notebook, in characters: of printed text, and of all other outputs.
_TEXT_PER_CELL, _TEXT_TOTAL = 1_000_000, 4_000_000
_RICH_PER_CELL, _RICH_TOTAL = 10_000_000, 25_000_000
_MAX_OUTPUTS, _MAX_MESSAGE, _MAX_LINE = 1_000, 10_000, 50_000
_WIDGETS = "application/vnd.jupyter.widget-state+json"


class Outputs:
    """The outputs of a notebook's cells, one cell after the other.

    Text between two other outputs becomes one output per stream, standard output first, because the order in which
    two streams are flushed is random. Of a progress bar that rewrites its line, the last state stays.

    Parameters
    ----------
    cells
        The notebook's cells; `begin` empties the outputs of one.
    on_text
        Called with the stream's name and each piece of text.
    on_output
        Called after each change of a cell's outputs.
    """

    def __init__(
        self,
        cells: Sequence[dict[str, Any]] = (),
        *,
        on_text: Callable[[str, str], None] | None = None,
        on_output: Callable[[], None] = lambda: None,
    ) -> None:
        self._cells, self._on_text, self._on_output = cells, on_text, on_output
        self._cell: dict[str, Any] = {}
        self._cell_outputs = _CellOutputs(0)
        self._text: dict[str, _BoundedText] = {}
        self._text_left, self._rich_left = _TEXT_TOTAL, _RICH_TOTAL
        self._limit = 0
        self._clear_due = False
        self._displays: dict[str, list[dict[str, Any]]] = {}
        self._widgets = Widgets()

    def begin(self, index: int) -> None:
        """Start collecting the outputs of a cell."""
        self._cell = self._cells[index]
        self._cell["outputs"] = []
        self._cell["execution_count"] = None
        # Half of what remains, so that a flood leaves room for later cells: of 4,000,000 characters, cells that print
        # without end get 1,000,000, three times, then 500,000, then 250,000, …
        self._limit = min(_TEXT_PER_CELL, self._text_left // 2)
        self._cell_outputs = _CellOutputs(min(_RICH_PER_CELL, self._rich_left // 2))
        self._clear_due = False

    def end(self, execution_count: int | None) -> None:
        """Finish the cell."""
        self._flush()
        self._cell["execution_count"] = execution_count
        self._cell["outputs"] = self._cell_outputs.outputs()
        self._rich_left -= self._cell_outputs.size

    def text(self, stream: str, text: str) -> None:
        """Add text of `stdout` or `stderr`."""
        if not text:
            return
        if self._on_text:
            self._on_text(stream, text)
        if widget := self._widgets.open:
            widget.text(stream, text)
        else:
            self._clear_if_due()
            self._text.setdefault(stream, _BoundedText(self._limit)).add(text)
        self._on_output()

    def message(self, kind: str, content: Mapping[str, Any], *, buffers: Sequence[bytes] = ()) -> None:
        """Handle a message of the kernel's output channel.

        Parameters
        ----------
        kind
            The message's type, such as `display_data`; types that are not an output are ignored.
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
            self._on_output()

    def take_replies(self) -> list[dict[str, Any]]:
        """Return the contents of `comm_msg` messages from widgets to the kernel, each once."""
        return self._widgets.take_replies()

    def mark_failed(self, *, ename: str, evalue: str, traceback: Sequence[str] = ()) -> None:
        """Add an error output that says how the cell ended."""
        self._flush()
        trace = [*traceback, f"{ename}: {evalue}"]
        self._cell_outputs.add(
            {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": trace}, counted=False
        )

    def pop_error(self) -> dict[str, Any] | None:
        """Remove and return the last output if it is an error."""
        self._flush()
        return self._cell_outputs.pop_error()

    def last_error(self) -> dict[str, Any] | None:
        """Return the last error among the outputs of the cell."""
        return next((each for each in reversed(self.so_far()) if each["output_type"] == "error"), None)

    def so_far(self) -> list[dict[str, Any]]:
        """Return the outputs that the running cell has until now."""
        return [*self._cell_outputs.outputs(), *(_stream(name, str(text)) for name, text in self._texts())]

    def widget_state(self) -> dict[str, Any]:
        """Return the widgets' state for the notebook's metadata; empty if there are no widgets."""
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
        self._cell_outputs.add(output)
        if name:
            self._displays.setdefault(name, []).append(output)

    def _clear_output(self, *, wait: bool) -> None:
        self._flush()
        if widget := self._widgets.open:
            widget.clear(wait=wait)
        elif wait:
            self._clear_due = True
        else:
            self._cell_outputs.clear()

    def _clear_if_due(self) -> None:
        if self._clear_due:
            self._clear_due = False
            self._cell_outputs.clear()

    def _texts(self) -> list[tuple[str, _BoundedText]]:
        return [(name, self._text[name]) for name in ("stdout", "stderr") if name in self._text]

    def _flush(self) -> None:
        for stream, text in self._texts():
            self._text_left -= text.size
            self._limit = max(0, self._limit - text.size)
            self._cell_outputs.add(_stream(stream, str(text)), counted=False)
        self._text.clear()


class _BoundedText:
    """Printed text within a limit: if it is too long, its head and tail.

    Example: of 300,000 characters with a limit of 100,000, the first and the last 50,000 stay, around the note
    `[nbship cut 200,000 characters of output here]`.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(1_000, limit // 2)
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


class _CellOutputs:
    """The outputs of a cell within limits: if there are too many, the first and the last."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.clear()

    def clear(self) -> None:
        self._first: list[dict[str, Any]] = []
        self._last: deque[dict[str, Any]] = deque()
        self._cut = self.size = 0

    def add(self, output: dict[str, Any], *, counted: bool = True) -> None:
        """Add an output; `counted`: its size counts towards the limit."""
        size = _size(output) if counted else 0
        if size > self._limit - self.size and output["output_type"] != "error":
            note = f"[nbship cut an output of {size:,} characters here: the notebook would be too large]"
            output["data"], output["metadata"] = {"text/plain": note}, {}
            size = len(note)
        self.size += size
        if len(self._first) < _MAX_OUTPUTS // 2:
            self._first.append(output)
            return
        self._last.append(output)
        if len(self._last) > _MAX_OUTPUTS // 2:
            self._last.popleft()
            self._cut += 1

    def pop_error(self) -> dict[str, Any] | None:
        outputs = self._last or self._first
        return outputs.pop() if outputs and outputs[-1]["output_type"] == "error" else None

    def outputs(self) -> list[dict[str, Any]]:
        note = {"output_type": "stream", "name": "stderr", "text": f"[nbship cut {self._cut:,} outputs here]\n"}
        return [*self._first, *([note] if self._cut else []), *self._last]


def _stream(name: str, text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": _apply_controls(text)}


def _output(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "error":
        trace = [line[:_MAX_LINE] for line in content["traceback"][:200]]
        evalue = content["evalue"][:_MAX_MESSAGE]
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


def _apply_controls(text: str) -> str:
    """Apply backspaces and carriage returns as a terminal does.

    >>> _apply_controls("10%\\r20%"), _apply_controls("abc\\b\\bX")
    ('20%', 'aX')
    """
    if "\x08" in text:
        before = ""
        while before != text:
            before, text = text, _BACKSPACE.sub("", text)
    return _CARRIAGE_RETURN.sub("", text) if "\r" in text else text
