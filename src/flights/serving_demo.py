"""`make demo-serve`: the service in five steps: serve, predict, send a label and replay, metrics, request log."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .demo import ROOT, free_port, golden_record, print_failure, served, shell, title

JSON = "-H 'content-type: application/json'"


def main() -> int:
    """Run the demonstration; the exit code is that of the first command that fails."""
    os.chdir(ROOT)
    record, port = golden_record(), free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "requests.jsonl"
        try:
            with lines.open("w", encoding="utf-8") as log:
                title("1. Serve the model package")
                with served(port, log=log):
                    _requests(url, record)
            title("5. The request log, one line per request")
            for line in lines.read_text(encoding="utf-8").splitlines()[-3:]:
                print(line)
        except subprocess.CalledProcessError as error:
            return print_failure(error)
    print("\nStart `nbship serve` and try it at its /docs page. `nbship keys add NAME` creates an API key.")
    return 0


def _requests(url: str, record: dict[str, Any]) -> None:
    title("2. Predict: nbship's protocol, MLflow's, and an invalid request")
    response = json.loads(_curl(f"{url}/predict {JSON} -d {_quoted(record)}"))
    split = {"dataframe_split": {"columns": list(record), "data": [list(record.values())]}}
    _curl(f"{url}/invocations {JSON} -d {_quoted(split)}")
    _curl(f"{url}/predict {JSON} -d {_quoted({**record, 'origin': 'LGW', 'flight': 'BA 1'})}")
    title("3. Send the label, and replay the prediction")
    _curl(f"{url}/feedback {JSON} -d {_quoted({'id': response['id'], 'label': True})}")
    shell("nbship", "replay", response["id"])
    title("4. The metrics, for Prometheus")
    _curl(f"{url}/metrics | grep -E '^nbship_(requests_total|request_rows_sum|model_info|resident)'")


def _curl(arguments: str) -> str:
    print(f"$ curl -s {arguments}", flush=True)
    done = subprocess.run(f"curl -s {arguments}", shell=True, check=True, capture_output=True, encoding="utf-8")
    print(done.stdout.strip(), flush=True)
    return done.stdout


def _quoted(content: Any) -> str:
    return shlex.quote(json.dumps(content))


if __name__ == "__main__":
    sys.exit(main())
