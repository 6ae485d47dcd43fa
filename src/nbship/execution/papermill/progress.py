"""What papermill hears of an execution: each cell as it begins and ends, its outputs, its log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import nbformat
from papermill.log import logger

from ..kernels import Executed
from ..redaction import Redactor, redacted

__all__ = ["Progress"]


class Progress:
    """Hands an execution on to papermill's `NotebookExecutionManager`.

    Parameters
    ----------
    manager
        papermill's account of this notebook, which saves it after each cell.
    log
        Whether papermill's logger gets the outputs too.
    files
        Where `stdout` and `stderr` go as well; None: nowhere.
    """

    def __init__(self, manager: Any, secrets: Redactor, *, log: bool, files: Mapping[str, Any]) -> None:
        self._manager, self._secrets, self._log, self._files = manager, secrets, log, files
        self._cells = manager.nb.cells
        self._code = [index for index, cell in enumerate(self._cells) if cell.cell_type == "code"]
        self._at, self._began = -1, ""
        self._held = {"stdout": "", "stderr": ""}

    def begin(self, number: int, count: int) -> None:
        """Begin code cell `number`, from 1."""
        self._go_to(self._code[number - 1])
        self._began = _now()

    def end(self, index: int, cell: Mapping[str, Any]) -> None:
        """Take the outputs of a cell that ran."""
        self._take(index, cell)
        ended = _now()
        begun = {"iopub.execute_input": self._began, "iopub.status.busy": self._began}
        self._cells[index].metadata["execution"] = {**begun, "iopub.status.idle": ended, "shell.execute_reply": ended}
        for stream, rest in self._held.items():
            self._tell(stream, self._secrets(rest))
            self._held[stream] = ""
        for output in self._cells[index].outputs:
            if self._log and "text/plain" in output.get("data", {}):
                logger.info(output.data["text/plain"])

    def text(self, stream: str, text: str) -> None:
        """Take text as it is printed."""
        # A secret may come in pieces, but seldom on several lines.
        if self._secrets:
            whole, newline, rest = (self._held[stream] + text).rpartition("\n")
            self._held[stream] = rest
            text = self._secrets(whole + newline)
        self._tell(stream, text)

    def finish(self, executed: Executed) -> None:
        """Take the whole notebook: later cells change displays of earlier ones."""
        for index in self._code:
            self._take(index, executed.notebook["cells"][index])
        metadata = redacted(executed.notebook["metadata"], self._secrets)
        for key in ("language_info", "widgets"):
            if key in metadata:
                self._manager.nb.metadata[key] = nbformat.from_dict(metadata[key])  # type: ignore[no-untyped-call]
        if executed.failure:
            self._fail()
        else:
            self._go_to(len(self._cells) - 1)
        self._complete()

    def stop(self, error: BaseException) -> None:
        """Mark the cell at which the execution itself was stopped."""
        if self._at < 0 and self._cells:
            self._go_to(self._code[0] if self._code else 0)
        if self._at >= 0:
            cell = self._cells[self._at]
            if cell.cell_type == "code":
                cell.outputs.append(_marker(error, self._secrets))
            self._fail()
            self._complete()

    def _go_to(self, index: int) -> None:
        while self._at < index:
            self._complete()
            self._at += 1
            self._manager.cell_start(self._cells[self._at], self._at)

    def _complete(self) -> None:
        if self._at >= 0:
            self._manager.cell_complete(self._cells[self._at], cell_index=self._at)

    def _fail(self) -> None:
        self._manager.cell_exception(self._cells[self._at], cell_index=self._at)

    def _take(self, index: int, cell: Mapping[str, Any]) -> None:
        outputs = redacted(cell["outputs"], self._secrets)
        self._cells[index].outputs = [nbformat.from_dict(output) for output in outputs]  # type: ignore[no-untyped-call]
        self._cells[index].execution_count = cell["execution_count"]

    def _tell(self, stream: str, text: str) -> None:
        if self._log and text:
            (logger.info if stream == "stdout" else logger.warning)(text)
        if (file := self._files.get(stream)) and text:
            file.write(text)
            file.flush()


def _marker(error: BaseException, secrets: Redactor) -> Any:
    ename, evalue = type(error).__name__, secrets(str(error))
    trace = [f"{ename}: {evalue}"]
    return nbformat.v4.new_output("error", ename=ename, evalue=evalue, traceback=trace)  # type: ignore[no-untyped-call]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
