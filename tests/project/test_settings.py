from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Iterator
from datetime import date
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


NUMBERS = [
    (f"{section}.{name}", kind)
    for section, struct in typing.get_type_hints(Settings).items()
    if isinstance(struct, type) and issubclass(struct, msgspec.Struct)
    for name, kind in typing.get_type_hints(struct).items()
    if kind in (int, float)
]


WORDS = {int: "integer", float: "number"}


@pytest.mark.parametrize("value", ["-1", ".nan", ".inf", "1e300"])
@pytest.mark.parametrize(("setting", "kind"), NUMBERS)
def test_a_number_that_could_never_apply_is_rejected_by_name(
    root: Path, setting: str, kind: type, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, name = setting.split(".")
    (root / "nbship.yaml").write_text(f"{section}: {{{name}: {value}}}\n")
    with pytest.raises(SettingsError, match=rf"^'{section}\.{name}' in nbship\.yaml is .*, where an? {WORDS[kind]}"):
        project.load(root)
    (root / "nbship.yaml").unlink()
    if section in ("serving", "log", "alerts"):
        monkeypatch.setenv(f"NBSHIP_{section}__{name}".upper(), value.lstrip("."))
        variable = f"NBSHIP_{section}__{name}".upper()
        with pytest.raises(SettingsError, match=rf"^The variable '{variable}' is '.*', where an? {WORDS[kind]}"):
            project.load(root)


WRONG: dict[str, object] = {
    "many": "many", "5": 5, "2.5": 2.5, "true": True, "2013-01-01": date(2013, 1, 1), "": None, "[many]": ["many"], "[[a]]": [["a"]],
    "{size: 1}": {"size": 1}, "{1: {2: b}}": {1: {2: "b"}},
}  # fmt: skip


def accepts(kind: object, value: object) -> bool:
    """Return whether a setting takes a value, of those in `WRONG`."""
    kinds = {
        int: lambda: value in (5, 2.5) and value == int(value),  # type: ignore[call-overload]
        float: lambda: isinstance(value, (int, float)),
        bool: lambda: False,
        str: lambda: isinstance(value, str),
        list: lambda: value == ["many"] if typing.get_args(kind) == (str,) else False,
        typing.Literal: lambda: False,
        dict: lambda: False,
    }
    if type(value) is bool or kind is bool:
        return type(value) is bool and kind is bool
    if (
        len(typing.get_args(kind)) == 2
        and type(None) not in typing.get_args(kind)
        and isinstance(kind, types.UnionType)
    ):
        return any(accepts(each, value) for each in typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return False
    return kinds[typing.get_origin(kind) or kind]()  # type: ignore[index]


def _settings(struct: type[msgspec.Struct], section: str = "") -> Iterator[tuple[str, object]]:
    for name, kind in typing.get_type_hints(struct).items():
        yield f"{section}{name}", kind
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _settings(kind, f"{section}{name}.")


@pytest.mark.parametrize(("setting", "kind"), [*_settings(Settings)], ids=str)
def test_a_value_of_a_wrong_type_is_named_with_what_is_expected(root: Path, setting: str, kind: object) -> None:
    for text, value in WRONG.items():
        if accepts(kind, value):
            continue
        *sections, name = setting.split(".")
        lines = [f"{'  ' * depth}{section}:" for depth, section in enumerate(sections)]
        (root / "nbship.yaml").write_text("\n".join([*lines, f"{'  ' * len(sections)}{name}: {text}", ""]))
        with pytest.raises(SettingsError) as caught:
            project.load(root)
        message = str(caught.value)
        assert message.startswith(f"'{setting}") or "unknown key" in message, text
        assert not re.search(r"`|\$|Expected|\bstr\b|\bint\b|array|object|\bnull\b", message), message
        assert re.search(r"(Correct it|in quotes: '.*'|as a list: \[.*\]|or remove the key)\.$|unknown key", message), (
            message
        )
        if value is not None and not isinstance(value, (list, dict)):
            assert f"is {text}," in message or f"is '{text}'," in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("serving: {queue: many}", "'serving.queue' in nbship.yaml is 'many', where an integer of at least 1 is expected. Correct it."),
        ("serving: {workers: 65}", "'serving.workers' in nbship.yaml is 65, where an integer from 1 to 64 is expected. Correct it."),
        ("serving: {auth: password}", "'serving.auth' in nbship.yaml is 'password', where 'keys', 'none' or 'proxy' is expected. Correct it."),
        ("serving: {request_log: sometimes}", "'serving.request_log' in nbship.yaml is 'sometimes', where true or false is expected. Correct it."),
        ("serving: {cors: '*'}", "'serving.cors' in nbship.yaml is '*', where a list of strings is expected. Write it as a list: ['*']."),
        ("serving:\n  # port: 80", "'serving' in nbship.yaml has no value, where a mapping is expected. Write one, or remove the key."),
        ("project: {name: 2013}", "'project.name' in nbship.yaml is 2013, where a string is expected. Put it in quotes: '2013'."),
        ("slices: [month, 3]", "'slices[1]' in nbship.yaml is 3, where a string is expected. Put it in quotes: '3'."),
        ("models: [risk, price]", "'models' in nbship.yaml is a list, where a mapping is expected. Correct it."),
        ("models: {risk: {path: [a]}}", "'models.risk.path' in nbship.yaml is a list, where a string is expected. Correct it."),
        ("serving: {app: {names: {size: {1: one}}}}",
         "'serving.app.names.size' in nbship.yaml has the key 1, where a string is expected. Put it in quotes: '1'."),
        ("serving: {app: {phrases: [{below: 1}]}}",
         "'serving.app.phrases[0]' in nbship.yaml is a mapping, where a mapping with the keys 'below' and 'words' is expected. Correct it."),
        ("serving: {app: {phrases: [{below: 1, words: a, tones: good}]}}",
         "'nbship.yaml' has an unknown key 'serving.app.phrases[0].tones'. Did you mean 'serving.app.phrases[0].tone'?"),
        ("project: {memory: [1]}", "'project.memory' in nbship.yaml is a list, where an integer or a string is expected. Correct it."),
    ],
)  # fmt: skip
def test_a_wrong_type_is_described_in_words(root: Path, text: str, message: str) -> None:
    (root / "nbship.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        project.load(root)
    assert str(caught.value) == message


def test_a_wrong_type_below_a_variable_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSHIP_SERVING__PORT", "80")
    (root / "nbship.yaml").write_text("serving: 3\n")
    with pytest.raises(SettingsError, match=r"^'serving' in nbship\.yaml is 3, where a mapping is expected"):
        project.load(root)


@pytest.mark.parametrize("zone", ["America", "", "../UTC", "/UTC"])
def test_what_is_not_a_time_zone_is_an_error(root: Path, zone: str) -> None:
    (root / "nbship.yaml").write_text(f"project: {{timezone: '{zone}'}}\n")
    with pytest.raises(SettingsError, match=f"unknown time zone '{zone}'. Use an IANA name"):
        project.load(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("serving: {workers: 0}", r"serving\.workers"),
        ("serving: {workers: 65}", r"serving\.workers"),
        ("serving: {queue: 0}", r"serving\.queue"),
        ("serving: {max_rows: 0}", r"serving\.max_rows"),
        ("serving: {max_bytes: 0}", r"serving\.max_bytes"),
        ("serving: {receive_seconds: 0}", r"serving\.receive_seconds"),
        ("serving: {send_seconds: 0}", r"serving\.send_seconds"),
        ("serving: {port: 65536}", r"serving\.port"),
        ("serving: {app: {phrases: [{below: 0, words: a}]}}", r"serving\.app\.phrases"),
        ("serving: {cors: ['https://shop.example/']}", r"'serving\.cors' has .* Write 'https://shop\.example'\."),
        ("serving: {cors: [shop.example]}", r"'serving\.cors' has 'shop\.example', .* Write 'https://shop\.example'\."),
        ("serving: {cors: ['https://Shop.example:443']}", r"'serving\.cors' .* Write 'https://shop\.example'\."),
        ("serving: {cors: ['http://a.example:80/x']}", r"'serving\.cors' .* Write 'http://a\.example'\."),
        ("serving: {cors: ['https://*.example']}", r"'serving\.cors' .* one entry for each origin, .* or '\*' for all"),
        ("serving: {cors: ['']}", r"'serving\.cors' has ''"),
        *((f"serving: {{hosts: ['{host}']}}", rf"'serving\.hosts' has '{host}', which is not a host name".replace("*", r"\*"))
          for host in ("https://a.b", "a.b:80", "*", "*.a.b", "A.B.", "")),
        ("serving: {probes_port: 8399, port: 8399}", r"'serving\.probes_port' and 'serving\.port' are both 8399"),
        ("serving: {proxies: [10.0.0.5]}", r"'serving\.proxies' applies only with 'serving\.auth: proxy'"),
        ("serving: {proxies: [10.0.0.5], auth: keys}", r"'serving\.proxies' applies only with"),
        ("log: {when_down: spool}", r"'log\.when_down' is 'spool', which applies only to a PostgreSQL database"),
        ("log: {when_down: spool, url: 'sqlite:///log.sqlite'}", r"'log\.when_down' is 'spool'"),
        ("alerts: {sinks: {team: 'json://hooks.example'}}", r"^'alerts\.sinks\.team' is not the name of an environment variable\. Put the URL into a variable, and write its name here, such as ALERTS_URL\.$"),
        ("alerts: {sinks: {team: A}, rules: [{sinks: [taem]}]}", r"'alerts\.rules\[0\]\.sinks' has 'taem', .* Did you mean 'team'\?"),
        ("alerts: {rules: [{sections: [drfit]}]}", r"'alerts\.rules\[0\]\.sections' has 'drfit', .* Did you mean 'drift'\?"),
        ("alerts: {rules: [{window: 2}]}", r"unknown key 'alerts\.rules\[0\]\.window'\. Did you mean 'alerts\.rules\[0\]\.windows'\?"),
        ("alerts: {escalate_to: [team], sinks: {team: A}}", r"applies only with 'alerts\.escalate_hours'"),
        ("alerts: {allow_private: ['https://mail.corp']}", r"'alerts\.allow_private' has 'https://mail\.corp', which is not a host"),
        ("alerts: {reports_url: 'reports.example'}", r"'alerts\.reports_url' is 'reports\.example', which is not the address of a page"),
    ],
)  # fmt: skip
def test_a_value_that_could_never_apply_is_an_error(root: Path, text: str, message: str) -> None:
    (root / "nbship.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        project.load(root)


@pytest.mark.parametrize(
    "text",
    [
        "serving: {cors: ['https://shop.example', 'http://localhost:3000', 'http://[::1]:3000', 'https://a.b:80', '*', 'null']}",
        "serving: {hosts: [models.example, .example, Models.Example, 10.0.0.5, my_host]}",
        "serving: {probes_port: 8000, unix_socket: s}",
        "serving: {proxies: [10.0.0.5], auth: proxy}",
        "log: {when_down: spool, url: 'postgresql://db/log'}",
        "serving: {drain_seconds: 0, keep_alive_seconds: 0, port: 0, receive_seconds: 0.5}",
    ],
)
def test_a_value_that_applies_is_accepted(root: Path, text: str) -> None:
    (root / "nbship.yaml").write_text(text)
    assert project.load(root).settings != Settings()


@pytest.mark.parametrize("in_project", [True, False])
def test_a_file_with_the_other_suffix_is_not_ignored(root: Path, in_project: bool) -> None:
    (root / "nbship.yml").write_text("release: {signers: [maker.pub]}\n")
    with pytest.raises(SettingsError, match=r"nbship\.yml' is not read\. Rename it to 'nbship\.yaml'"):
        project.read_settings(root / "nbship.yaml", in_project=in_project)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("NBSHIP_RELEASE_SIGNERS", "NBSHIP_RELEASE__SIGNERS"),
        ("NBSHIP_SERVING_AUTH", "NBSHIP_SERVING__AUTH"),
        ("NBSHIP_SERVING_MAX_ROWS", "NBSHIP_SERVING__MAX_ROWS"),
        ("NBSHIP_LOG_URL", "NBSHIP_LOG__URL"),
    ],
)
def test_a_variable_with_one_underscore_is_not_ignored(
    root: Path, variable: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(SettingsError, match=rf"'{variable}' sets nothing\. Did you mean '{meant}'"):
        project.load(root)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NBSHIP_SERVING_PORT", "tcp://10.0.0.7:8000"),
        ("NBSHIP_SERVING_SERVICE_HOST", "10.0.0.7"),
        ("NBSHIP_SERVING_PORT_8000_TCP_PROTO", "tcp"),
        ("NBSHIP_LOG_SERVICE_PORT", "5432"),
    ],
)
def test_variables_that_kubernetes_sets_for_its_services_are_no_settings(
    root: Path, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.load(root).settings
    monkeypatch.setenv(variable, value)
    assert project.load(root).settings == before


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
    names = {
        "phrases": "phrase",
        "app": "words",
        "models": "entry",
        "serving": "settings",
        "project": "settings",
        "alerts": "settings",
        "rules": "rule",
        "schedules": "schedule",
        "sources": "settings",
        "expectations": "expectation",
        "columns": "column",
    }
    read: dict[str, set[str]] = {}
    for path in source.rglob("*.py"):
        if path.name in (
            "settings.py",
            "setting_values.py",
            "alert_values.py",
            "data_settings.py",
            "gate_settings.py",
            "data_values.py",
            "schedule_values.py",
            "settings_file.py",
        ):
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
