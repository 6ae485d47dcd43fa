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
    "catboost": ["tests/model/build/test_boosters.py", "-k", "catboost"],
    "lightgbm": ["tests/model/build/test_boosters.py", "-k", "lightgbm"],
    "onnx": ["tests/contracts/test_predictors.py", "-k", "onnx"],
    "postgres": ["tests/contracts/test_logs.py"],
    "project": ["tests/execution/test_commands.py", "tests/data/test_sources_over_http.py"],
    "sign": ["tests/model/package/test_signing.py"],
    "sql": ["tests/inference/batch/test_formats.py", "-k", "not postgres"],
    "watch": ["tests/operations/test_report_notebook.py", "tests/alerting/test_private_addresses.py"],
    "xgboost": ["tests/model/build/test_boosters.py", "-k", "xgboost"],
}


def run(*words: str | Path) -> int:
    return subprocess.run([str(word) for word in words], cwd=ROOT, check=False).returncode


def main(folder: Path, resolution: str, python: str) -> None:
    failed = []
    for extra, tests in TESTS.items():
        name = f"nbship[{extra}]" if extra else "nbship"
        print(name, flush=True)
        own = folder / "bin" / "python"
        into = ["--python", own, "--resolution", resolution, "--compile-bytecode"]
        if (
            run("uv", "venv", "--quiet", "--clear", "--python", python, folder)
            or run("uv", "pip", "install", "--quiet", *into, "--editable", f".[{extra}]" if extra else ".", "--group", "test")
            or run(own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
        ):  # fmt: skip
            failed.append(name)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), *sys.argv[2:4])
