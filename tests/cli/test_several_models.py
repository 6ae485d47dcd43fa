"""A project with two models and one log: each command works on one model and reads no entries of the other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from packages import build_small, make_rows

from nbship.cli import main, nbship
from nbship.inference import find_deployment


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    for seed, name in enumerate(("one", "two")):
        build_small(folder, name=name, seed=seed)
    return folder


@pytest.fixture
def two_models(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text("models: {one: {}, two: {}}\n")
    shutil.copytree(built, tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> dict:
    return json.loads(CliRunner().invoke(nbship, [*words, "--json"], catch_exceptions=False).stdout)


def test_each_command_works_on_one_model(two_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = make_rows(40, seed=3).drop(columns=["limit", "grade"]).drop_duplicates(["at", "line"])
    for name, count in (("one", len(rows)), ("two", 5)):
        rows.head(count).to_csv(f"{name}_in.csv", index=False)
        assert run("predict", f"{name}_in.csv", f"{name}.csv", "--model", name)["model"] == name
    labels = pd.read_csv("one.csv")[["at", "line"]].assign(label=1)
    labels.to_csv("labels.csv", index=False)
    assert run("labels", "labels.csv", "--model", "one")["matched"] == len(labels)
    # The labels of one model are no labels of the other.
    assert run("labels", "labels.csv", "--model", "two")["known"] == 0
    from nbship import monitoring, project

    first, last = str(rows["at"].min().date()), str(rows["at"].max().date() + pd.Timedelta(days=2))
    counts = {}
    for name in ("one", "two"):
        here = project.load(model=name)
        found = monitoring.observe(here, monitoring.parse_window(first, last, zone=here.timezone))
        assert set(found.frame["version"]) == {found.version}
        counts[name] = len(found.frame)
    assert counts == {"one": len(rows), "two": 5}


def test_replay_finds_the_package_by_its_digest(two_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_small(two_models / "models", name="three", seed=7)
    deployments = {name: find_deployment(model=name) for name in ("one", "two")}
    ids = {}
    for name, deployment in deployments.items():
        logged = deployment.open_logged(mode="rest")
        ids[name] = logged.respond([logged.package.example])[0]["id"]
        logged.log.close()
    for name, id in ids.items():
        found = run("replay", id)
        assert (found["model"], found["same"]) == (name, True)
    # A version that the project no longer has.
    digest = run("replay", ids["two"])["digest"]
    shutil.rmtree("models/two")
    build_small(two_models / "models", name="two", seed=9)
    with pytest.raises(SystemExit):
        main(["replay", ids["two"]])
    assert f"Pass the package with the digest {digest} with --package." in capsys.readouterr().err


def test_the_log_is_exported_for_all_models_or_one(two_models: Path) -> None:
    for name in ("one", "two"):
        logged = find_deployment(model=name).open_logged(mode="rest")
        logged.respond([{**logged.package.example, "size": size} for size in (1, 2)])
        logged.log.close()
    assert run("log", "export", "all.parquet")["records"] == 4
    assert run("log", "export", "one.parquet", "--model", "one")["records"] == 2
    assert run("log", "forget", "--field", "size", "--value", "1", "--model", "one")["forgotten"] == 1
    assert run("log", "forget", "--field", "size", "--value", "2")["forgotten"] == 2
    assert run("log", "prune", "--before", "2999-01-01", "--model", "one")["deleted"] == 0
    assert run("log", "prune", "--before", "2999-01-01")["deleted"] == 1


@pytest.mark.parametrize("words", [["verify"], ["predict", "in.csv"], ["labels", "in.csv"], ["monitor"], ["serve"]])
def test_the_selected_model_is_used(two_models: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    Path("in.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 1
    assert "This project has the models 'one', 'two'. Choose one: `--model NAME`." in capsys.readouterr().err
