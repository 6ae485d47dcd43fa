"""Clients with their defaults: Java's HttpClient and curl, which offer HTTP/2."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from servers import serving

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
JAVA = """
import java.net.URI;
import java.net.http.*;

public class Client {
    public static void main(String[] given) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int count = 0; count < 3; count++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(given[0])).header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(given[1])).build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""


def test_java(small_package: Path, tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    (tmp_path / "Client.java").write_text(JAVA)
    with serving(small_package, tmp_path) as (url, _):
        command = ["java", tmp_path / "Client.java", f"{url}/predict", json.dumps(RECORD)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        expected = httpx.post(f"{url}/predict", json=RECORD).json()["probability"]
    lines = done.stdout.splitlines()
    assert [line[:4] for line in lines] == ["200 "] * 3
    assert {json.loads(line[4:])["probability"] for line in lines} == {expected}


@pytest.mark.parametrize("size", [1, 300])
def test_curl_with_http2(small_package: Path, tmp_path: Path, size: int) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([RECORD] * size))
    with serving(small_package, tmp_path) as (url, _):
        words = ["curl", "-s", "--http2", "-H", "content-type: application/json", "-d", f"@{tmp_path / 'rows.json'}"]
        done = subprocess.run([*words, f"{url}/predict", f"{url}/predict"], capture_output=True, text=True, check=True)
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(done.stdout)
    second, _ = decoder.raw_decode(done.stdout, end)
    assert len(first) == len(second) == size
    assert {row["probability"] for row in first} == {row["probability"] for row in second}
