"""Alerts reach their sinks: by mail and webhook, after an outage in one message, and never without their sink's consent."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from alert_sinks import mail_server, project_folder, webhook, write_window
from click.testing import CliRunner, Result
from waiting import in_time

from nbship import project as projects
from nbship.alerting import open_database, waiting
from nbship.alerting.links import link_to
from nbship.alerting.sinks import SCHEMES
from nbship.cli import nbship
from nbship.errors import AlertError
from nbship.execution import render_html

# The sections of which each has cells of its own.
SHOWN = ["drift", "prediction_drift", "performance", "slices", "volume", "service"]
SECRET = "sesame-4711-open"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(nbship, ["monitor", "alerts", *arguments])


def _waiting(folder: Path) -> list[tuple[str, str]]:
    database = open_database(projects.load(folder))
    with database.transaction() as transaction:
        found = [(notice.sink, notice.event) for notice in waiting(transaction)]
    database.close()
    return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = "sinks: {hook: HOOK_URL, mail: MAIL_URL}\nallow_private: [127.0.0.1, localhost]"
    monkeypatch.chdir(project_folder(tmp_path, settings))
    return tmp_path


def test_a_sink_that_was_down_gets_one_message(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HOOK_URL", f"json://:{SECRET}@127.0.0.1:{port}/{SECRET}")
    with mail_server() as (mail_port, mails):
        monkeypatch.setenv("MAIL_URL", f"mailto://localhost:{mail_port}?from=nbship@shop.example&to=ann@shop.example")
        write_window(project, "2024-01-01", "2024-02-01", {"size": "alert", "weight": "alert", "other": "warning"})
        first = _run("deliver")
        assert first.exit_code == 1
        assert "Sink 'hook' (json, variable 'HOOK_URL'): no server accepts connections there." in first.stderr
        assert SECRET not in first.output
        # The sink is left alone for a while, so this report is not sent to it yet.
        write_window(project, "2024-02-01", "2024-03-01", {"size": "alert", "shop": "alert"})
        assert _run("deliver").exit_code == 0
        assert sorted(event for sink, event in _waiting(project) if sink == "hook") == ["new", "new", "new", "resolved"]
        with webhook(port) as hook:
            assert _run("deliver", "--force").exit_code == 0
            assert _run("deliver", "--force").exit_code == 0
    (message,) = hook.messages
    assert message["title"] == "shop: 2 alerts, 1 resolved"
    assert (
        "Input 'size': missing (model shop)\nWindow 2024-02-01 to 2024-03-01, first found in 2024-01-01 to 2024-02-01.\n"
        in hook.bodies
    )
    assert "RESOLVED before it was announced: #2 Input 'weight': missing (model shop)" in hook.bodies
    assert "Why: .nbship/state/monitoring/2024-02-01_2024-03-01/report.html" in hook.bodies
    assert "Acknowledge: nbship monitor alerts ack 1 3" in hook.bodies
    assert [mail["subject"] for mail in mails] == ["shop: 2 alerts", "shop: 1 alert, 1 resolved"]
    assert mails[0]["to"] == "ann@shop.example"
    assert _waiting(project) == []


def test_messages_of_several_reports_wait_for_each_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project_folder(project, "sinks: {hook: HOOK_URL}\nallow_private: [127.0.0.1]\ngroup_minutes: 10")
    monkeypatch.setenv("HOOK_URL", "json://127.0.0.1:9/")
    write_window(project, "2024-01-01", "2024-02-01", {"size": "alert"})
    # Nothing is sent, or this would fail.
    assert _run("deliver").exit_code == 0
    assert _waiting(project) == [("hook", "new")]


def test_sinks_are_tested_each_with_its_outcome(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_URL", f"smtp://user:{SECRET}@mail.example")
    with webhook() as hook:
        monkeypatch.setenv("HOOK_URL", hook.url)
        found = _run("test")
        assert hook.messages[0]["title"] == "shop: test of alerts"
    assert found.exit_code == 1
    assert "Sent to 'hook'" in found.stderr
    assert "The URL of sink 'mail' (variable 'MAIL_URL') is of none of these services: discord, form," in found.stderr
    assert SECRET not in found.output
    monkeypatch.delenv("MAIL_URL")
    missing = _run("test", "mail")
    assert (
        "Sink 'mail' has no URL: the environment variable 'MAIL_URL' is not set. Set it to an Apprise URL."
        in missing.stderr
    )
    assert "There is no sink 'hok'. Did you mean 'hook'?" in _run("test", "hok").stderr


def test_alerts_are_listed_acknowledged_and_silenced(project: Path) -> None:
    project_folder(project, "sinks: {}\nrules: [{severity: warning}]")
    assert _run("list").stdout == "No open alerts.\n"
    write_window(project, "2024-01-01", "2024-02-01", {"size": "alert", "weight": "warning"})
    assert _run("deliver").exit_code == 0
    assert (
        _run("ack", "2", "--by", "ann", "--reason", "known").stdout == "Alert 2 acknowledged: Input 'weight': missing\n"
    )
    assert _run("silence", "1", "--until", "2d", "--reason", "being repaired", "--by", "ann").exit_code == 0
    lines = _run("list").stdout.splitlines()
    assert lines[:2] == [
        "   1  alert    Input 'size': missing · shop · 2024-01-01 to 2024-02-01 (silence 1)",
        "   2  warning  Input 'weight': missing · shop · 2024-01-01 to 2024-02-01 (acknowledged by ann: known)",
    ]
    assert lines[2].endswith("by ann: being repaired")
    listed = json.loads(_run("list", "--json").stdout)
    assert [alert["subject"] for alert in listed["alerts"]] == ["size", "weight"]
    assert listed["silences"][0]["subject"] == "size"
    unknown = _run("ack", "1", "7").exception
    assert isinstance(unknown, AlertError)
    assert str(unknown) == "Alert 7 does not exist. Open alerts: 1, 2."
    assert "Choose alerts by ID, or by --section" in _run("silence", "--until", "2d", "--reason", "x").stderr
    assert (
        "'soon' is not an end. Write a date such as" in _run("silence", "1", "--until", "soon", "--reason", "x").stderr
    )


def test_every_service_is_one_of_apprise() -> None:
    script = "from apprise.apprise import N_MGR; print(*N_MGR.schemas())"
    known = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert set(known) >= SCHEMES


def test_a_message_names_every_alert_and_explains_the_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project_folder(project, "sinks: {hook: HOOK_URL}\nallow_private: [127.0.0.1]")
    write_window(project, "2024-01-01", "2024-02-01", {f"f{number}": "alert" for number in range(40)})
    with webhook() as hook:
        monkeypatch.setenv("HOOK_URL", hook.url)
        assert _run("deliver").exit_code == 0
    assert len(hook.messages) == 1
    assert all(f"Input 'f{number}': missing (model shop)" in hook.bodies for number in range(40))
    assert hook.bodies.count("Why: ") == 12


def test_a_link_leads_to_the_cell_that_shows_why(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / ".nbship/state/monitoring/2024-01-01_2024-02-01"
    folder.mkdir(parents=True)
    pages = {}
    for source in (Path(__file__).parents[2] / "notebooks").glob("9*_monitor_*.ipynb"):
        notebook = json.loads(source.read_bytes())
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
            if cell["cell_type"] == "code":
                cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "shown"}]
        (folder / f"{source.stem[3:]}.ipynb").write_text(json.dumps(notebook))
        pages[f"{source.stem[3:]}.html"] = render_html(notebook, title="report", code=False)
    links = {section: link_to(projects.load(project), folder.name, section) for section in SHOWN}
    for link in links.values():
        path, _, anchor = link.partition("#")
        assert path.startswith(".nbship/state/monitoring/2024-01-01_2024-02-01/monitor_")
        assert f'id="{anchor}"' in pages[Path(path).name]
    unknown = link_to(projects.load(project), folder.name, "something_new")
    assert unknown == ".nbship/state/monitoring/2024-01-01_2024-02-01/report.html"
    assert len(set(links.values())) == len(SHOWN)
    project_folder(project, "{reports_url: 'https://reports.example/late/'}")
    (hosted, anchor) = link_to(projects.load(project), folder.name, "drift").split("#")
    assert hosted == "https://reports.example/late/2024-01-01_2024-02-01/monitor_data.html"
    assert links["drift"].endswith(f"#{anchor}")


@pytest.mark.long
@pytest.mark.timeout(120)  # The sink would take five minutes.
def test_a_sink_that_hangs_does_not_hold_up_the_others(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_window(project, "2024-01-01", "2024-02-01", {"size": "alert"})
    with socket.create_server(("127.0.0.1", 0)) as silent, webhook() as hook:
        monkeypatch.setenv("HOOK_URL", hook.url)
        monkeypatch.setenv(
            "MAIL_URL", f"mailto://127.0.0.1:{silent.getsockname()[1]}?from=a@x.example&to=b@x.example&rto=300&cto=300"
        )
        found = _run("deliver")
    assert "Sent to 'hook': 1 notice" in found.stderr
    assert "Sink 'mail' (mailto, variable 'MAIL_URL'): it did not respond in time." in found.stderr


@pytest.mark.long
def test_a_database_that_hangs_is_an_error_of_one_sentence(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ann:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/log"
        project_folder(project, "sinks: {hook: HOOK_URL}", extra=f"log: {{url: '{url}'}}\n")
        with in_time():
            found = _run("deliver").exception
    assert isinstance(found, AlertError)
    assert re.search(
        r"^The alerts in 'postgresql://127.*' cannot be read or written: The server did not respond within 10 seconds",
        str(found),
    )
    assert SECRET not in str(found)
