"""A Jupyter kernel for SQL on SQLite, a language for which papermill has no translator."""

from __future__ import annotations

import sqlite3
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class SqlKernel(Kernel):
    implementation, implementation_version, banner = "sqlite", "1", "SQLite"
    language_info = {"name": "sql", "mimetype": "application/sql", "file_extension": ".sql"}  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.connection = sqlite3.connect(":memory:", isolation_level=None)

    def do_execute(self, code: str, silent: bool, *_: Any, **__: Any) -> dict[str, Any]:
        try:
            for statement in filter(str.strip, code.split(";")):
                for row in self.connection.execute(statement):
                    text = "|".join(map(str, row)) + "\n"
                    self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": text})
        except sqlite3.Error as error:
            content = {"ename": type(error).__name__, "evalue": str(error), "traceback": []}
            self.send_response(self.iopub_socket, "error", content)
            return {"status": "error", "execution_count": self.execution_count, **content}
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=SqlKernel)
