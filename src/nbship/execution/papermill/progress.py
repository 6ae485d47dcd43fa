"""Report an execution to papermill: each cell's start and end, its outputs, and the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import nbformat
from papermill.log import logger

from ..kernels import Executed
from ..redaction import Redactor, redacted

__all__ = ["Progress"]


class Progress:
    """Passes an execution on to papermill's `NotebookExecutionManager`.

    Parameters
    ----------
    manager
        papermill's manager of this notebook, which saves it after each cell.
    log
        Whether outputs also go to papermill's logger.
    files
        Files that also receive `stdout` and `stderr`; None: no file.
    """

    def __init__(self, manager: Any, secrets: Redactor, *, log: bool, files: Mapping[str, Any]) -> None:
        self._manager, self._secrets, self._log, self._files = manager, secrets, log, files
        self._cells = manager.nb.cells
        self._code = [index for index, cell in enumerate(self._cells) if cell.cell_type == "code"]
        self._index, self._started = -1, ""
        self._unfinished_lines = {"stdout": "", "stderr": ""}

    def begin(self, number: int, count: int) -> None:
        """Report the start of code cell `number`, from 1."""
        self._advance_to(self._code[number - 1])
        self._started = _now()

    def end(self, index: int, cell: Mapping[str, Any]) -> None:
        """Copy the outputs of a cell that ran, and report them."""
        self._copy_outputs(index, cell)
        ended = _now()
        begun = {"iopub.execute_input": self._started, "iopub.status.busy": self._started}
        self._cells[index].metadata["execution"] = {**begun, "iopub.status.idle": ended, "shell.execute_reply": ended}
        for stream, rest in self._unfinished_lines.items():
            self._forward_text(stream, self._secrets(rest))
            self._unfinished_lines[stream] = ""
        for output in self._cells[index].outputs:
            if self._log and "text/plain" in output.get("data", {}):
                logger.info(output.data["text/plain"])

    def text(self, stream: str, text: str) -> None:
        """Pass on text as it is printed."""
        # A secret may arrive in pieces, but rarely on several lines, so unfinished lines wait: `open-` waits until
        # `sesame\n` arrives; then both pass as `[TOKEN]\n`.
        if self._secrets:
            lines, newline, rest = (self._unfinished_lines[stream] + text).rpartition("\n")
            self._unfinished_lines[stream] = rest
            text = self._secrets(lines + newline)
        self._forward_text(stream, text)

    def save_if_due(self, index: int, outputs: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        """Save the outputs of the running cell as often as papermill's option `autosave_cell_every` says."""
        manager = self._manager
        unsaved = (manager.now() - manager.last_save_time).total_seconds()
        if manager.autosave_cell_every and unsaved >= manager.autosave_cell_every:
            finished = outputs()
            if self._secrets:  # as in `text`
                finished = [_finished_lines(output) for output in finished]
            self._copy_outputs(index, {"outputs": finished, "execution_count": None})
            manager.autosave_cell()

    def finish(self, executed: Executed) -> None:
        """Copy all outputs again, because later cells can update displays of earlier ones."""
        for index in self._code:
            self._copy_outputs(index, executed.notebook["cells"][index])
        metadata = redacted(executed.notebook["metadata"], self._secrets)
        for key in ("language_info", "widgets"):
            if key in metadata:
                self._manager.nb.metadata[key] = nbformat.from_dict(metadata[key])  # type: ignore[no-untyped-call]
        if executed.failure or executed.ended_by is not None:
            self._fail()  # papermill's mark of a cell that ended the notebook, also by `sys.exit(0)`
        else:
            self._advance_to(len(self._cells) - 1)
        self._complete()

    def stop(self, error: BaseException) -> None:
        """Mark the cell during which the execution was interrupted."""
        if self._index < 0 and self._cells:
            self._advance_to(self._code[0] if self._code else 0)
        if self._index >= 0:
            cell = self._cells[self._index]
            if cell.cell_type == "code":
                cell.outputs.append(_marker(error, self._secrets))
            self._fail()
            self._complete()

    def _advance_to(self, index: int) -> None:
        while self._index < index:
            self._complete()
            self._index += 1
            self._manager.cell_start(self._cells[self._index], self._index)

    def _complete(self) -> None:
        if self._index >= 0:
            self._manager.cell_complete(self._cells[self._index], cell_index=self._index)

    def _fail(self) -> None:
        self._manager.cell_exception(self._cells[self._index], cell_index=self._index)

    def _copy_outputs(self, index: int, cell: Mapping[str, Any]) -> None:
        outputs = redacted(cell["outputs"], self._secrets)
        self._cells[index].outputs = [nbformat.from_dict(output) for output in outputs]  # type: ignore[no-untyped-call]
        self._cells[index].execution_count = cell["execution_count"]

    def _forward_text(self, stream: str, text: str) -> None:
        if self._log and text:
            (logger.info if stream == "stdout" else logger.warning)(text)
        if (file := self._files.get(stream)) and text:
            file.write(text)
            file.flush()


def _finished_lines(output: Mapping[str, Any]) -> Mapping[str, Any]:
    if output["output_type"] != "stream":
        return output
    lines, newline, _ = str(output["text"]).rpartition("\n")
    return {**output, "text": lines + newline}


def _marker(error: BaseException, secrets: Redactor) -> Any:
    ename, evalue = type(error).__name__, secrets(str(error))
    trace = [f"{ename}: {evalue}"]
    return nbformat.v4.new_output("error", ename=ename, evalue=evalue, traceback=trace)  # type: ignore[no-untyped-call]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
