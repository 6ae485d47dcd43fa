from __future__ import annotations

from pathlib import Path

import pytest

from nbship import project
from nbship.errors import ProjectError, SettingsError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    return tmp_path


def test_a_project_without_settings_has_defaults(root: Path) -> None:
    loaded = project.load(root)
    assert loaded.name == root.name
    assert loaded.package == root / "models" / root.name
    assert str(loaded.timezone) == "UTC"


def test_the_project_is_found_from_a_folder_below(root: Path) -> None:
    (root / "notebooks").mkdir()
    assert project.load(root / "notebooks").root == root.resolve()


def test_no_project_names_the_folder_and_the_file(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"pipeline\.yaml"):
        project.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("projct: {}", "Did you mean 'project'"),
        ("project: {timezon: UTC}", r"Did you mean 'project\.timezone'"),
        ("project: {timezone: Mars/Olympus}", "unknown time zone 'Mars/Olympus'"),
        ("serving: {port: many}", "serving"),
        ("slices: 3", "slices"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_its_subject(root: Path, text: str, message: str) -> None:
    (root / "nbship.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        project.load(root)


def test_the_environment_overrides_serving_and_not_what_a_stage_reads(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "nbship.yaml").write_text("serving: {port: 1}\nproject: {timezone: Europe/Zurich}\n")
    monkeypatch.setenv("NBSHIP_SERVING__PORT", "9000")
    monkeypatch.setenv("NBSHIP_PROJECT__TIMEZONE", "UTC")
    loaded = project.load(root)
    assert loaded.settings.serving.port == 9000
    assert str(loaded.timezone) == "Europe/Zurich"


def test_state_can_be_moved(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "volume"))
    assert project.load(root).state == tmp_path / "volume"


@pytest.mark.parametrize(
    ("text", "limit"), [("4 GB", 4_000_000_000), ("1.5MiB", 1_572_864), ("4096", 4096), ("''", None), ("0", None)]
)
def test_a_size_is_read_in_bytes(root: Path, text: str, limit: int | None) -> None:
    (root / "nbship.yaml").write_text(f"project: {{memory: {text}, stage_timeout: 60}}\n")
    assert project.load(root).settings.project.memory_limit == limit


def test_what_is_no_size_is_refused(root: Path) -> None:
    (root / "nbship.yaml").write_text("project: {memory: lots}\n")
    with pytest.raises(SettingsError, match=r"'project\.memory' as 'lots'\. Write a size such as '4 GB'"):
        project.load(root)
