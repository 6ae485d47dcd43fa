"""Versions and aliases in a registry of MLflow, which `make peers` installs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from registries import Call, commit_package

from nbship import predictor
from nbship.model.package import read_files

PEERS = ROOT / ".nbship/cache/peers"
SITE = next(iter((PEERS / "lib").glob("python*/site-packages")), Path("missing"))
# MLflow of the other environment behind this one's libraries.
MIRROR = "import sys; sys.path.append(sys.argv.pop(1)); from nbship.cli import main; main(sys.argv[1:])"
LOAD = """\
import json, sys, mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
versions = {v.tags["nbship.version"]: [v.version, v.tags["nbship.digest"], v.tags.get("nbship.archived", "")] for v in client.search_model_versions("name = 'small'")}
aliases = {alias: str(number) for alias, number in client.get_registered_model("small").aliases.items()}
run = client.get_run(client.get_model_version_by_alias("small", "production").run_id)
model = mlflow.pyfunc.load_model("models:/small@production")
rows = pandas.DataFrame([{"at": "2026-01-05T10:00:00Z", "line": "a", "size": 3, "weight": 9.5}])
risk = [model.predict(rows)["probability"].tolist() for _ in range(2)]
print(json.dumps([versions, aliases, run.data.params, run.data.metrics, risk]))
"""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(not SITE.exists(), reason="`make peers` installs MLflow")
def test_versions_and_aliases_are_copied_once(root: Path, call: Call) -> None:
    digests = []
    for number in (1, 2):
        if number > 1:
            commit_package(root, number)
        call(root, "register")
        call(root, "promote", "--why", "next")
        digests.append(read_files(root / "models/small")[0].digest)
    uri = f"sqlite:///{root}/mlflow.db"

    def mirror() -> list[str]:
        done = subprocess.run([sys.executable, "-c", MIRROR, str(SITE), "models", "mirror", "--to", uri], cwd=root, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    first = [
        "Copied small@v1.0.0 as version 1.",
        "Copied small@v1.1.0 as version 2.",
        "small@production is version 2, small@v1.1.0.",
    ]
    assert [line for line in mirror() if line.startswith(("Copied", "small@"))] == first
    assert mirror()[-1] == "MLflow has all versions and aliases."
    call(root, "rollback", "--why", "worse")
    call(root, "archive", "small@v1.1.0")
    assert mirror()[-2:] == ["Marked small@v1.1.0 as archived.", "small@production is version 1, small@v1.0.0."]
    done = subprocess.run(
        [PEERS / "bin/python", "-c", LOAD, uri], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    versions, aliases, params, metrics, risk = json.loads(done.stdout.splitlines()[-1])
    assert {name: [str(number), *rest] for name, (number, *rest) in versions.items()} == {
        "v1.0.0": ["1", digests[0], ""],
        "v1.1.0": ["2", digests[1], "true"],
    }
    assert (aliases, params, metrics) == ({"production": "1"}, {"fit.seed": "1"}, {"auc": 0.71, "brier": 0.2})
    expected = predictor.load(root / "models/small").predict(
        [{"at": "2026-01-05T10:00:00Z", "line": "a", "size": 3, "weight": 9.5}]
    )
    assert expected.probability is not None
    assert risk == [expected.probability.tolist()] * 2


def test_a_copy_without_mlflow_has_a_sentence(root: Path, call: Call) -> None:
    call(root, "register")
    try:
        import mlflow  # noqa: F401
    except ImportError:
        code, _, err = call(root, "mirror", "--to", "sqlite:///x.db")
        assert (code, "needs MLflow, which is not installed. Install it: `pip install mlflow`." in err) == (1, True)
