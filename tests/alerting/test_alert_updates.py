"""Alerts from the reports on disk, in SQLite and PostgreSQL: opened, announced once, worsened, escalated, resolved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alert_sinks import project_folder, write_window
from services import postgres_url

from nbship import project as projects
from nbship.alerting import acknowledge, alerts, open_database, silence, waiting
from nbship.alerting.databases import Database
from nbship.alerting.updating import update
from nbship.errors import AlertError, MonitoringError

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
HOUR = 3600.0
JANUARY, FEBRUARY, MARCH = ("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01"), ("2024-03-01", "2024-04-01")
Write = Callable[..., None]
Update = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture(params=["sqlite", "postgres"])
def log(request: pytest.FixtureRequest) -> Iterator[str]:
    """The setting of the database."""
    if request.param == "sqlite":
        yield ""
        return
    with postgres_url() as url:
        yield f"log: {{url: '{url}'}}\n"


@pytest.fixture
def write(tmp_path: Path, log: str) -> Write:
    """Write the settings of alerts, and others."""

    def written(alerts: str, others: str = "") -> None:
        project_folder(tmp_path, alerts, extra=log + others)

    return written


@pytest.fixture
def database(tmp_path: Path, write: Write) -> Iterator[Database]:
    write("sinks: {team: TEAM_URL}")
    found = open_database(projects.load(tmp_path))
    yield found
    found.close()


@pytest.fixture
def updated(tmp_path: Path, database: Database) -> Update:
    """Bring alerts up to date at a time; return the subject, the sink and the event of each new notice."""
    seen: set[tuple[int, str, str]] = set()

    def run(now: float = NOW) -> list[tuple[str, str, str]]:
        update(projects.load(tmp_path), database, now=now)
        with database.transaction() as transaction:
            notices = {(each.alert.id, each.sink, each.event): each.alert.subject for each in waiting(transaction)}
        new = [(subject, *key[1:]) for key, subject in notices.items() if key not in seen]
        seen.update(notices)
        return sorted(new)

    return run


def test_an_alert_is_announced_once_and_resolved_once(tmp_path: Path, updated: Update) -> None:
    write_window(tmp_path, *JANUARY, {"size": "alert", "weight": "warning"})
    assert updated() == [("size", "team", "new")]
    assert updated() == []
    write_window(tmp_path, *FEBRUARY, {"size": "alert", "weight": "ok"})
    assert updated() == []
    write_window(tmp_path, *MARCH, {"size": "ok"})
    assert updated() == [("size", "team", "resolved")]
    assert updated() == []


def test_a_report_that_is_written_again_replaces_its_findings(tmp_path: Path, updated: Update) -> None:
    write_window(tmp_path, *JANUARY, {"size": "ok", "weight": "alert"})
    assert updated() == [("weight", "team", "new")]
    write_window(tmp_path, *JANUARY, {"size": "alert", "weight": "ok", "shop": "ok"})
    assert updated() == [("size", "team", "new"), ("weight", "team", "resolved")]


def test_an_earlier_window_that_is_made_later_changes_nothing(tmp_path: Path, updated: Update) -> None:
    write_window(tmp_path, *FEBRUARY, {"size": "ok"})
    assert updated() == []
    write_window(tmp_path, *JANUARY, {"size": "alert"})
    assert updated() == []


def test_each_of_several_new_windows_counts(tmp_path: Path, updated: Update) -> None:
    write_window(tmp_path, *JANUARY, {"size": "ok"})
    assert updated() == []
    write_window(tmp_path, *FEBRUARY, {"size": "alert"})
    write_window(tmp_path, *MARCH, {"size": "ok", "weight": "alert"})
    assert updated() == [("size", "team", "new"), ("size", "team", "resolved"), ("weight", "team", "new")]


def test_of_the_windows_from_before_the_first_update_the_newest_counts(tmp_path: Path, updated: Update) -> None:
    write_window(tmp_path, *JANUARY, {"size": "alert"})
    write_window(tmp_path, *FEBRUARY, {"weight": "alert"})
    assert updated() == [("weight", "team", "new")]


def test_windows_of_another_length_do_not_resolve_an_alert(tmp_path: Path, updated: Update) -> None:
    write_window(tmp_path, *JANUARY, {"size": "alert"})
    updated()
    write_window(tmp_path, "2024-02-01", "2024-02-08", {"size": "ok"})
    assert updated() == []


def test_an_alert_that_gets_worse_is_announced_again(tmp_path: Path, write: Write, updated: Update) -> None:
    write("sinks: {team: TEAM_URL}\nrules: [{severity: warning}]")
    write_window(tmp_path, *JANUARY, {"size": "warning"})
    assert updated() == [("size", "team", "new")]
    write_window(tmp_path, *FEBRUARY, {"size": "alert"})
    assert updated() == [("size", "team", "worse, alert")]
    write_window(tmp_path, *MARCH, {"size": "warning"})
    assert updated() == []


def test_a_sink_hears_of_an_alert_after_the_hours_of_its_rule(tmp_path: Path, write: Write, updated: Update) -> None:
    write("sinks: {team: A, pager: B}\nrules: [{sinks: [team]}, {sinks: [pager], hours: 2}]")
    write_window(tmp_path, *JANUARY, {"size": "alert"})
    assert updated() == [("size", "team", "new")]
    assert updated(NOW + 1.9 * HOUR) == []
    assert updated(NOW + 2 * HOUR) == [("size", "pager", "new")]
    write_window(tmp_path, *FEBRUARY, {})
    assert updated(NOW + 3 * HOUR) == [("size", "pager", "resolved"), ("size", "team", "resolved")]


def test_an_alert_that_is_over_before_its_hours_is_never_announced(
    tmp_path: Path, write: Write, updated: Update
) -> None:
    write("sinks: {team: A}\nrules: [{hours: 2}]")
    write_window(tmp_path, *JANUARY, {"size": "alert"})
    write_window(tmp_path, *JANUARY, {"size": "alert"})
    assert updated() == []
    write_window(tmp_path, *FEBRUARY, {})
    assert updated(NOW + 5 * HOUR) == []


def test_a_silenced_alert_is_announced_when_the_silence_ends(
    tmp_path: Path, database: Database, updated: Update
) -> None:
    end = time.time() + HOUR
    silence(database, until=end, reason="being repaired", by="ann", subject="size")
    write_window(tmp_path, *JANUARY, {"size": "alert", "weight": "alert"})
    assert updated(end - 1) == [("weight", "team", "new")]
    assert updated(end) == [("size", "team", "new")]
    with pytest.raises(AlertError, match=r"would be over already\. Pass a later end with --until\."):
        silence(database, until=time.time() - 1, reason="late", by="ann")


def test_an_alert_that_nobody_acknowledges_is_escalated_once(
    tmp_path: Path, database: Database, write: Write, updated: Update
) -> None:
    write("sinks: {team: A, boss: B}\nrules: [{sinks: [team]}]\nescalate_hours: 4\nescalate_to: [boss]")
    write_window(tmp_path, *JANUARY, {"size": "alert", "weight": "alert"})
    assert updated() == [("size", "team", "new"), ("weight", "team", "new")]
    with database.transaction() as transaction:
        ids = {alert.subject: alert.id for alert in alerts(transaction)}
    acknowledge(database, [ids["weight"]], by="ann", reason="known")
    assert updated(NOW + 3.9 * HOUR) == []
    assert updated(NOW + 4 * HOUR) == [("size", "boss", "escalated")]
    assert updated(NOW + 9 * HOUR) == []
    write_window(tmp_path, *FEBRUARY, {})
    assert {sink for _, sink, event in updated(NOW + 9 * HOUR) if event == "resolved"} == {"team", "boss"}
    with pytest.raises(AlertError, match=rf"Alert {ids['size']} is resolved already\. There is no open alert\."):
        acknowledge(database, [ids["size"]], by="ann")


def test_an_alert_that_returns_is_a_new_one(tmp_path: Path, updated: Update) -> None:
    for window, verdict, event in ((JANUARY, "alert", "new"), (FEBRUARY, "ok", "resolved"), (MARCH, "alert", "new")):
        write_window(tmp_path, *window, {"size": verdict})
        assert updated() == [("size", "team", event)]


def test_each_model_has_alerts_of_its_own(tmp_path: Path, database: Database, write: Write, updated: Update) -> None:
    write("sinks: {team: A}", "models: {risk: {}, price: {}}\n")
    for model in ("risk", "price"):
        write_window(tmp_path, *JANUARY, {"size": "alert"}, model=[model])
    assert updated() == [("size", "team", "new")] * 2
    write_window(tmp_path, *FEBRUARY, {}, model=["price"])
    assert updated() == [("size", "team", "resolved")]
    with database.transaction() as transaction:
        assert [alert.model for alert in alerts(transaction)] == ["risk"]


def test_a_report_that_cannot_be_read_is_left_out(tmp_path: Path, updated: Update) -> None:
    write_window(tmp_path, *JANUARY, {"size": "alert"})
    write_window(tmp_path, *FEBRUARY, {"size": "ok"}).write_text('{"format":')
    assert updated() == [("size", "team", "new")]


def test_alerts_of_a_newer_nbship_are_an_error(tmp_path: Path, database: Database) -> None:
    with database.transaction() as transaction:
        transaction.execute("UPDATE nbship_alert_meta SET format = 99")
    with pytest.raises(
        MonitoringError, match=r"have format 99, written by a newer nbship; this version reads format 1"
    ):
        open_database(projects.load(tmp_path))


def test_one_process_delivers_at_a_time(tmp_path: Path, database: Database) -> None:
    other = open_database(projects.load(tmp_path))
    with database.delivering(0) as mine, other.delivering(0.1) as theirs:
        assert (mine, theirs) == (True, False)
    with other.delivering(0) as theirs:
        assert theirs
    other.close()
