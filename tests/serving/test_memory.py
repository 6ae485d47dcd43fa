"""What a serving process of a compiled model imports: NumPy, and none of the libraries that read and write tables."""

from __future__ import annotations

from pathlib import Path

import httpx
from servers import modules_of, serving
from waiting import PATIENCE

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
HEAVY = {"pandas", "pyarrow", "scipy", "sklearn", "skops", "onnxruntime", "matplotlib", "duckdb", "dvc", "streamlit"}


def test_a_service_imports_no_library_of_tables(small_package: Path, tmp_path: Path) -> None:
    report, script = modules_of(tmp_path)
    with (
        serving(small_package, tmp_path, script=script) as (url, _),
        httpx.Client(base_url=url, timeout=PATIENCE) as to,
    ):
        single = to.post("/predict", json=RECORD).json()
        listed = to.post("/predict", json=[RECORD] * 1000).json()
        # The package looks up two of its fields, so both paths read the table.
        assert {each["probability"] for each in listed} == {single["probability"]}
        assert to.post("/feedback", json={"id": single["id"], "label": 1}).status_code == 200
        for path in ("/metrics", "/openapi.json", "/docs", "/v2/health/ready"):
            assert to.get(path).status_code == 200
    loaded = set(report.read_text().split())
    assert {"numpy", "nbship", "uvicorn"} <= loaded
    assert not HEAVY & loaded
