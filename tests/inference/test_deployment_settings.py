"""Every setting is applied or rejected by name, in a project and without one: for a folder, a wheel and a container."""

from __future__ import annotations

import shutil
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from nbship.cli import nbship
from nbship.cli.log import command as log_command
from nbship.errors import LogError, ProjectError, ServingError, SettingsError, SignerError
from nbship.inference import Deployment, find_deployment
from nbship.model.build.container import write_context
from nbship.model.build.wheel import build_wheel
from nbship.project import Settings
from nbship.serving import application_of, key_file

MODES = ("project", "folder", "wheel", "container")
PROJECT_ONLY = {"project", "model", "models", "slices", "gates", "monitoring", "alerts", "data", "schedules", "release.approvers"}  # fmt: skip


def _settings(struct: type[msgspec.Struct], section: str = "") -> Iterator[str]:
    for name, kind in typing.get_type_hints(struct).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _settings(kind, f"{section}{name}.")
        else:
            yield f"{section}{name}"


def _served(deployment: Deployment, name: str) -> Any:
    """The value that a running service uses."""
    value: Any = application_of(deployment).settings
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return msgspec.to_builtins(value)


def _is_rejected(deployment: Deployment) -> bool:
    with pytest.raises(SignerError, match=r"is not signed, but 'release\.signers' requires a signature"):
        deployment.load()
    return True


def _is_followed(deployment: Deployment) -> bool:
    if deployment.given is None:
        follower = deployment.follower()
        return follower is not None and follower.path == Path.cwd() / "release.json"
    with pytest.raises(ServingError, match=r"Both the package '.*' and the setting 'release\.file'"):
        deployment.follower()
    return True


def _is_spooled(deployment: Deployment) -> bool:
    # Nothing listens there; opening such a log without a spool does not create the spool.
    with pytest.raises(LogError):
        deployment.open_log()
    return (deployment.state / "predictions.spool").exists()


def _prunes(_: Deployment) -> bool:
    return "deleted" in CliRunner().invoke(log_command, ["prune", *_PACKAGE], catch_exceptions=False).output


_PACKAGE: list[str] = []
# Setting -> (a value that is not the default, what shows that it is used).
APPLIED: Mapping[str, tuple[Any, Callable[[Deployment], Any]]] = {
    "release.signers": (["maker.pub"], _is_rejected),
    "release.file": ("release.json", _is_followed),
    "log.url": ("elsewhere.sqlite", lambda deployment: Path(deployment.log).name == "elsewhere.sqlite"),
    "log.when_down": ("spool", _is_spooled),
    "log.retention_days": (3650, _prunes),
    "project.timezone": ("America/New_York", lambda deployment: deployment.settings.project.timezone == "America/New_York"),
    "serving.keys": ("secrets/keys.json", lambda deployment: key_file(deployment).path == Path.cwd() / "secrets/keys.json"),
    "serving.unix_socket": ("s", lambda deployment: _served(deployment, "serving.unix_socket") == str(Path.cwd() / "s")),
    "serving.results": ("out.csv", lambda deployment: _served(deployment, "serving.results") == str(Path.cwd() / "out.csv")),
}  # fmt: skip
SERVED: Mapping[str, Any] = {
    "serving.host": "::1", "serving.port": 1234, "serving.workers": 3, "serving.auth": "none", "serving.proxies": ["10.0.0.5"],
    "serving.probes_port": 4321, "serving.root_path": "/models", "serving.max_bytes": 77, "serving.max_rows": 7,
    "serving.receive_seconds": 7.5, "serving.send_seconds": 7.5, "serving.keep_alive_seconds": 7,
    "serving.cors": ["https://shop.example"], "serving.hosts": ["model.example"], "serving.queue": 7, "serving.drain_seconds": 7.5, "serving.request_log": False,
    "serving.app.title": "Late?", "serving.app.intro": "Hello.", "serving.app.names": {"line": {"a": "A"}},
    "serving.app.phrases": [{"below": 2.0, "words": "rather late", "tone": "fair"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def forms(small_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The package in each form."""
    folder = tmp_path_factory.mktemp("forms")
    write_context(small_package, folder / "context", name="small")
    return {
        "project": small_package,
        "folder": small_package,
        "wheel": build_wheel(small_package, folder),
        "container": folder / "context" / "package",
    }


def _deployment(mode: str, setting: str, value: Any, forms: Mapping[str, Path], monkeypatch: Any) -> Deployment:
    """Return the deployment of a mode with one setting: of the environment in a container, else of nbship.yaml."""
    environ: dict[str, str] = {}
    if setting == "log.when_down":
        environ["NBSHIP_LOG__URL"] = "postgresql://127.0.0.1:1/log"
    if setting == "serving.proxies":
        environ["NBSHIP_SERVING__AUTH"] = "proxy"
    content: Any = value
    for part in reversed(setting.split(".")):
        content = {part: content}
    if mode == "container" and setting.count(".") == 1 and not isinstance(value, dict) and value != [{}]:
        section, key = setting.split(".")
        environ[f"NBSHIP_{section}__{key}".upper()] = ",".join(value) if isinstance(value, list) else str(value)
    else:
        Path("nbship.yaml").write_bytes(msgspec.json.encode(content))
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    if mode == "project":
        Path("pipeline.yaml").write_text("tasks: []\n", encoding="utf-8")
        shutil.copytree(forms[mode], "models/" + Path.cwd().name)
    _PACKAGE[:] = [] if mode == "project" else ["--package", str(forms[mode])]
    return find_deployment(None if mode == "project" else forms[mode])


def _is_of_project(setting: str, mode: str) -> bool:
    of_project = {setting, setting.split(".")[0]} & PROJECT_ONLY and setting != "project.timezone"
    return bool(of_project) or (mode == "container" and setting == "project.timezone")


# What only a project uses is tested where it is used; test_settings.py holds that nothing is unused.
CASES = [
    (setting, mode)
    for setting in _settings(Settings)
    for mode in MODES
    if not (mode == "project" and _is_of_project(setting, mode))
]


@pytest.mark.parametrize(("setting", "mode"), CASES)
def test_a_setting_is_applied_or_rejected_by_name(
    setting: str, mode: str, forms: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBSHIP_STATE", raising=False)
    if _is_of_project(setting, mode):
        values = {
            "models": {"risk": {}},
            "slices": ["line"],
            "release.approvers": {"a@example.com": "a.pub"},
            "monitoring.min_rows": 7,
            "monitoring.relations": ["a < b"],
            "monitoring.given": {"a": "b"},
            "monitoring.row_counts": False,
            "project.secrets": ["TOKEN"],
            "alerts.sinks": {"team": "URL"},
            "alerts.rules": [{}],
            "data.folder": "windows",
            "data.sources": {"risk": {"url": "a.csv", "time": "day", "columns": {"day": "timestamp"}}},
            "schedules": {"risk": {"job": "labels", "cron": "0 6 * * *", "arguments": ["labels.csv"]}},
        }
        value = values.get(setting, 3 if "timeout" in setting else "1 GB" if setting == "project.memory" else "UTC")
        with pytest.raises(SettingsError, match=rf"'{setting}(\.risk)?'|'NBSHIP_{setting.upper().replace('.', '__')}'"):
            _deployment(mode, setting, value, forms, monkeypatch)
    elif setting in APPLIED:
        value, shows = APPLIED[setting]
        assert shows(_deployment(mode, setting, value, forms, monkeypatch))
    else:
        assert _served(_deployment(mode, setting, SERVED[setting], forms, monkeypatch), setting) == SERVED[setting]


def test_a_path_in_nbship_yaml_starts_at_its_folder(
    small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(
        "serving: {keys: keys.json, results: out.csv}\nrelease: {signers: [maker.pub]}\n"
    )
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    settings = find_deployment(small_package).settings
    paths = [settings.serving.keys, settings.serving.results, *settings.release.signers]
    assert paths == [str(tmp_path / name) for name in ("keys.json", "out.csv", "maker.pub")]


def test_a_model_is_chosen_only_in_a_project(
    small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError, match=r"The model 'risk' is chosen .* is not in a project"):
        find_deployment(small_package, model="risk")
    with pytest.raises(ProjectError, match=r"The model 'risk' is chosen"):
        find_deployment(small_package, environ={"NBSHIP_MODEL": "risk"})


def test_a_misspelt_variable_is_an_error(small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_RELEASE__SIGNER", "maker.pub")
    with pytest.raises(SettingsError, match=r"Did you mean 'NBSHIP_RELEASE__SIGNERS'\?"):
        find_deployment(small_package)


def test_an_option_is_checked_with_the_other_settings(
    small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_SERVING__PROBES_PORT", "8399")
    result = CliRunner().invoke(nbship, ["serve", str(small_package), "--port", "8399"])
    assert isinstance(result.exception, SettingsError)
    assert "'serving.probes_port' and 'serving.port' are both 8399" in str(result.exception)
