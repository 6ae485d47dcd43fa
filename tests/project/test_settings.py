from __future__ import annotations

import ast
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nbship import project
from nbship.errors import ProjectError, SettingsError
from nbship.project import Settings


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
def test_an_invalid_setting_is_an_error_of_one_sentence(root: Path, text: str, message: str) -> None:
    (root / "nbship.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        project.load(root)


@pytest.mark.parametrize("key", ["alerts", "data", "gates", "schedules"])
def test_a_key_for_a_later_version_is_an_error(root: Path, key: str) -> None:
    (root / "nbship.yaml").write_text(f"{key}: {{}}\n")
    with pytest.raises(SettingsError, match=rf"'{key}', which this version of nbship does not read\. Remove it\."):
        project.load(root)


def _keys(struct: type[msgspec.Struct], section: str = "settings") -> Iterator[tuple[str, str]]:
    for name, kind in typing.get_type_hints(struct).items():
        inner = [each for each in (kind, *typing.get_args(kind)) if isinstance(each, type)]
        structs = [each for each in inner if issubclass(each, msgspec.Struct)]
        yield section, name
        for each in structs:
            yield from _keys(each, name)


def test_every_setting_is_read_by_some_code() -> None:
    source = Path(project.__file__).parents[1]
    # Where a section is held under another name than its own.
    names = {"phrases": "phrase", "app": "words", "models": "entry", "serving": "settings", "project": "settings"}
    read: dict[str, set[str]] = {}
    for path in source.rglob("*.py"):
        if path.name == "settings.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
                read.setdefault(node.attr, set()).add(owner.removeprefix("_"))
    # `project.memory` is read as bytes, `serving.root_path` with one spelling of its slashes.
    read["memory"], read["root_path"] = read["memory_limit"], read["prefix"]
    unread = [
        f"{section}.{key}"
        for section, key in _keys(Settings)
        if not {section, names.get(section, section), "self"} & read.get(key, set())
    ]
    assert unread == []


def test_a_project_may_have_several_models(root: Path) -> None:
    (root / "nbship.yaml").write_text("models: {risk: {}, price: {path: elsewhere/price}}\n")
    loaded = project.load(root)
    assert loaded.packages == {"risk": root / "models/risk", "price": root / "elsewhere/price"}
    with pytest.raises(ProjectError, match=r"has the models 'risk', 'price'\. Choose one: `--model NAME`\."):
        _ = loaded.package
    with pytest.raises(ProjectError, match=r"has no model 'prize', but 'risk', 'price'\."):
        project.load(root, model="prize")
    assert project.load(root, model="price").package == root / "elsewhere/price"
    assert project.load(root, model="price").reports.name == "price"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: {risk: {pth: a}}", r"unknown key 'models\.risk\.pth'\. Did you mean 'models\.risk\.path'"),
        ("models: {risk: {}}\nmodel: {path: models/risk}", "both 'model' and 'models'"),
    ],
)
def test_models_are_checked_like_every_setting(root: Path, text: str, message: str) -> None:
    (root / "nbship.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        project.load(root)


def test_the_environment_overrides_serving_and_not_what_a_stage_reads(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "nbship.yaml").write_text("serving: {port: 1}\nproject: {timezone: Europe/Zurich}\n")
    monkeypatch.setenv("NBSHIP_SERVING__PORT", "9000")
    assert project.load(root).settings.serving.port == 9000
    monkeypatch.setenv("NBSHIP_PROJECT__TIMEZONE", "UTC")
    with pytest.raises(SettingsError, match=r"'NBSHIP_PROJECT__TIMEZONE' sets nothing: .* serving, release, log"):
        project.load(root)


def test_state_can_be_moved(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "volume"))
    assert project.load(root).state == tmp_path / "volume"


@pytest.mark.parametrize(
    ("text", "limit"), [("4 GB", 4_000_000_000), ("1.5MiB", 1_572_864), ("4096", 4096), ("''", None), ("0", None)]
)
def test_a_size_is_read_in_bytes(root: Path, text: str, limit: int | None) -> None:
    (root / "nbship.yaml").write_text(f"project: {{memory: {text}, stage_timeout: 60}}\n")
    assert project.load(root).settings.project.memory_limit == limit


def test_an_invalid_size_is_an_error(root: Path) -> None:
    (root / "nbship.yaml").write_text("project: {memory: lots}\n")
    with pytest.raises(
        SettingsError, match=r"'project\.memory' in nbship\.yaml is 'lots', .* Write a size such as '4 GB'"
    ):
        project.load(root)
