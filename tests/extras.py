"""Install nbship without extras, then with each extra alone, and run tests that need no other extra.

`make test-lowest` and `make test-newest` call it: `python tests/extras.py FOLDER lowest-direct|highest PYTHON`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = {
    "": ["tests/test_predictor.py", "tests/serving/test_routes.py"],
    "app": ["tests/app"],
    "onnx": ["tests/contracts/test_predictors.py", "-k", "onnx"],
    "postgres": ["tests/contracts/test_logs.py"],
    "project": ["tests/execution/test_commands.py"],
    "sign": ["tests/model/package/test_signing.py"],
    "sql": ["tests/inference/batch/test_formats.py", "-k", "not postgres"],
    "watch": ["tests/operations/test_report_notebook.py"],
}


def run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], cwd=ROOT, check=True)


def main(folder: Path, resolution: str, python: str) -> None:
    for extra, tests in TESTS.items():
        print(f"nbship[{extra}]" if extra else "nbship", flush=True)
        run("uv", "venv", "--quiet", "--clear", "--python", python, folder)
        own = folder / "bin" / "python"
        into = ["--python", own, "--resolution", resolution, "--compile-bytecode"]
        run("uv", "pip", "install", "--quiet", *into, "--editable", f".[{extra}]" if extra else ".", "--group", "test")
        run(own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), *sys.argv[2:4])
